package registration

import (
	"slices"
	"testing"
	"time"
)

// Bugs that systems like this one had. Each test names where.

// woocommerce-gateway-stripe#905, tutor#2360.
func TestALateFailureDoesNotUndoAPayment(t *testing.T) {
	t.Parallel()
	paid := fact(10, Paid, "cs_now", "pi_1")
	testSettled(t, []settled{
		{name: "made before the payment", facts: []Fact{paid, fact(1, PaymentFailed, "pi_1", "ch_1")}, want: paidState},
		{name: "made in its second", facts: []Fact{paid, fact(10, PaymentFailed, "pi_1", "ch_1")}, want: paidState},
		{name: "made after it", facts: []Fact{paid, fact(99, PaymentFailed, "pi_1", "ch_1")}, want: paidState},
		{name: "of the session", facts: []Fact{paid, fact(99, PaymentFailed, "cs_now", "pi_1").with(ofSession)}, want: paidState},
		{name: "a cancellation", facts: []Fact{paid, fact(99, IntentCanceled, "pi_1")}, want: paidState},
	})
}

// mollie/WooCommerce#668, #1159.
func TestAnExpiredSessionDoesNotCancelANewerAttempt(t *testing.T) {
	t.Parallel()
	old := fact(50, SessionExpired, "cs_old", "pi_0")
	testSettled(t, []settled{
		{name: "that is open", facts: []Fact{old}, want: openState},
		{name: "that is on its way", facts: []Fact{old, fact(40, PaymentProcessing, "cs_now", "pi_1")}, want: processingState},
		{name: "that has paid", facts: []Fact{old, fact(40, Paid, "cs_now", "pi_1")}, want: paidState},
		{name: "that has failed", facts: []Fact{old, fact(40, PaymentFailed, "cs_now", "pi_1", "ch_1")}, want: failedState(40)},
		{name: "even where its intent's cancellation names no session", facts: []Fact{fact(50, IntentCanceled, "pi_0").with(madeAt(-61))}, want: openState},
	})
}

// gameserverapp#1216 took it for a failure, AI-Shipping-Labs#1423 for the end.
func TestCompletedAndUnpaidIsNeitherAFailureNorTheEnd(t *testing.T) {
	t.Parallel()
	completed := fact(10, PaymentProcessing, "cs_now", "pi_1")
	testSettled(t, []settled{
		{name: "it waits, without a deadline", facts: []Fact{completed}, want: processingState},
		{name: "then it is paid", facts: []Fact{completed, fact(259200, Paid, "cs_now", "pi_1")}, want: paidState},
		{name: "then it fails", facts: []Fact{completed, fact(259200, PaymentFailed, "cs_now", "pi_1").with(ofSession)}, want: failedState(259200)},
	})
}

// woocommerce-gateway-stripe#5691; PayumStripePlugin#70 fell over sessions that were not open any more.
func TestTheClockDoesNotCancelWhatIsPaidOrOnItsWay(t *testing.T) {
	t.Parallel()
	clock := Lapsed(usual(), Settle(usual(), nil, usualPolicy))
	testSettled(t, []settled{
		{name: "paid", facts: []Fact{clock, fact(10, Paid, "cs_now", "pi_1")}, want: paidState},
		{name: "paid, as the intent alone says", facts: []Fact{clock, fact(10, IntentSucceeded, "pi_1", "ch_1")}, want: processingState},
		{name: "completed and unpaid", facts: []Fact{clock, fact(10, PaymentProcessing, "cs_now", "pi_1")}, want: processingState},
		{name: "expired already", facts: []Fact{clock, fact(10, SessionExpired, "cs_now")}, want: expiredState},
	})
}

// Hi.Events#218 freed a place twice, #466 never.
func TestAPlaceIsWishedForOrNotHoweverOftenItIsFreed(t *testing.T) {
	t.Parallel()
	testSettled(t, []settled{
		{name: "expired and canceled", facts: []Fact{fact(1, SessionExpired, "cs_now"), fact(2, IntentCanceled, "pi_1")}, want: canceledState},
		{name: "failed, held long enough, expired and canceled", facts: []Fact{
			fact(1, PaymentFailed, "pi_1", "ch_1"), fact(2, HoldExpired, "cs_now"), fact(3, SessionExpired, "cs_now"), fact(4, IntentCanceled, "pi_1"),
		}, want: canceledState},
		{name: "failed and held long enough", facts: []Fact{fact(1, PaymentFailed, "pi_1", "ch_1"), fact(2, HoldExpired, "cs_now")}, want: "FAILED payment"},
	})
}

// pretix#343.
func TestRefundingADuplicateChargeLeavesTheTicket(t *testing.T) {
	t.Parallel()
	first, second := fact(1, Paid, "cs_old", "pi_0"), fact(2, Paid, "cs_now", "pi_1")
	testSettled(t, []settled{
		{name: "the later charge", facts: []Fact{first, second, refundOf(9, true, "ch_1", "pi_1")}, want: paidState},
		{name: "the earlier charge", facts: []Fact{first, second, refundOf(9, true, "ch_0", "pi_0")}, want: paidState},
		{name: "a charge of the same intent that failed", facts: []Fact{second, fact(1, PaymentFailed, "pi_1", "ch_0"), refundOf(9, false, "ch_0")}, want: paidState},
	})
}

// woocommerce-gateway-stripe#2598.
func TestADisputeOnACanceledOneDoesNotRestockIt(t *testing.T) {
	t.Parallel()
	canceled, opened := fact(1, IntentCanceled, "pi_1"), fact(9, Disputed, "dp_1", "ch_1", "pi_1")
	testSettled(t, []settled{
		{name: "open", facts: []Fact{canceled, opened}, want: "FAILED dispute removed"},
		{name: "won", facts: []Fact{canceled, opened, closed(10, "won", "dp_1", "ch_1")}, want: canceledState},
		{name: "lost", facts: []Fact{canceled, opened, closed(10, "lost", "dp_1", "ch_1")}, want: lostState},
	})
}

// woocommerce-gateway-stripe#3603.
func TestWinningADisputeDoesNotMailTheConfirmationAgain(t *testing.T) {
	t.Parallel()
	facts := []Fact{fact(1, Paid, "cs_now", "pi_1"), fact(9, Disputed, "dp_1", "ch_1", "pi_1"), closed(10, "won", "dp_1", "ch_1")}
	slot := func(facts []Fact) string {
		mails := Settle(usual(), facts, usualPolicy).Mails
		i := slices.IndexFunc(mails, func(m Mail) bool { return m.Kind == MailPaymentConfirmed })
		return mails[i].Slot
	}
	if before, after := slot(facts[:1]), slot(facts); before != after {
		t.Errorf("the confirmation's slot was %s, it is %s", before, after)
	}
	if got := arrive(usual(), facts); len(got) != 3 {
		t.Errorf("mailed %s", lines(got))
	}
}

// pay#612; convene#1656 mailed again when a later step had failed.
func TestARedeliveryMailsNothing(t *testing.T) {
	t.Parallel()
	told := []Fact{
		fact(1, PaymentFailed, "pi_1", "ch_1"), fact(2, PaymentFailed, "pi_1", "ch_2"), fact(3, ActionRequired, "pi_1"),
		fact(4, Paid, "cs_now", "pi_1"), fact(5, RefundFailed, "re_1", "ch_2"), refundOf(6, true, "ch_2", "pi_1"),
	}
	want := len(arrive(usual(), told))
	again := slices.Concat(told, told, told)
	if got := arrive(usual(), again); len(got) != want || want != 6 {
		t.Errorf("mailed %s, once it was %d", lines(got), want)
	}
}

// exercism#1702 refused events that were not fresh: age is no argument here.
func TestFactsMayBeOld(t *testing.T) {
	t.Parallel()
	paid := fact(1, Paid, "cs_now", "pi_1")
	paid.Created = noon.Add(-50 * 365 * 24 * time.Hour)
	testSettled(t, []settled{{name: "a payment of half a century ago", facts: []Fact{paid}, want: paidState}})
}
