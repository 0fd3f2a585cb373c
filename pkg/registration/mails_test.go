package registration

import (
	"slices"
	"strings"
	"testing"
)

func TestWhatAStateWantsToBeMailed(t *testing.T) {
	t.Parallel()
	paid := fact(1, Paid, "cs_now", "pi_1")
	declined, again := fact(2, PaymentFailed, "pi_1", "ch_1"), fact(3, PaymentFailed, "pi_1", "ch_2")
	action := fact(4, ActionRequired, "pi_1")
	completed := fact(1, PaymentProcessing, "cs_now", "pi_1")
	ended := fact(9, PaymentFailed, "cs_now", "pi_1").with(ofSession)
	for _, c := range []struct {
		name  string
		facts []Fact
		want  []string
	}{
		{"nothing", nil, nil},
		{"on its way", []Fact{completed, fact(2, IntentSucceeded, "pi_1")}, nil},
		{"paid", []Fact{paid}, []string{"payment_confirmed paid:pi_1 = paid:cs_now"}},
		{"paid for nothing, without an intent", []Fact{fact(1, Paid, "cs_now").with(func(f *Fact) { f.Amount = 2500 })}, []string{"payment_confirmed paid:cs_now"}},
		{"paid twice", []Fact{paid, fact(5, Paid, "cs_old", "pi_0")}, []string{
			"attention attention:double_payment:pi_0", "payment_confirmed paid:pi_0 = paid:cs_old", "payment_confirmed paid:pi_1 = paid:cs_now",
		}},
		{"paid after a failure and an action", []Fact{paid, declined, action}, []string{"payment_confirmed paid:pi_1 = paid:cs_now"}},

		{"declined", []Fact{declined}, []string{"payment_failed failed:pi_1:ch_1"}},
		{"declined twice", []Fact{declined, again}, []string{"payment_failed failed:pi_1:ch_1", "payment_failed failed:pi_1:ch_2"}},
		{"declined before there was a charge, and after", []Fact{fact(1, PaymentFailed, "pi_1"), declined}, []string{
			"payment_failed failed:pi_1:", "payment_failed failed:pi_1:ch_1",
		}},
		{"declined, and trying again", []Fact{declined, action}, []string{"action_required action:pi_1"}},
		{"declined, the hold over", []Fact{declined, fact(99, HoldExpired, "cs_now")}, []string{"payment_failed failed:pi_1:ch_1"}},
		{"declined in another session", []Fact{declined, fact(5, SessionExpired, "cs_old", "pi_1")}, nil},
		{"a delayed payment failed, as the session tells it", []Fact{completed, ended}, []string{"payment_failed failed:pi_1: = failed:cs_now:"}},
		{"a delayed payment failed, told twice", []Fact{completed, ended, fact(9, PaymentFailed, "pi_1", "ch_1")}, []string{
			"payment_failed failed:pi_1:ch_1 = failed:cs_now:ch_1 failed:pi_1: failed:cs_now:",
		}},
		{"a delayed payment failed, told twice without a charge", []Fact{completed, ended, fact(9, PaymentFailed, "pi_1")}, []string{
			"payment_failed failed:pi_1: = failed:cs_now:",
		}},

		{"an action is required", []Fact{action, action}, []string{"action_required action:pi_1"}},
		{"an action of a stale attempt", []Fact{action, fact(5, SessionExpired, "cs_old", "pi_1")}, nil},
		{"an action beside a failure", []Fact{action, fact(2, PaymentFailed, "pi_2", "ch_2")}, []string{"payment_failed failed:pi_2:ch_2"}},

		{"canceled", []Fact{fact(1, IntentCanceled, "pi_1")}, []string{"payment_canceled removed:pi_1"}},
		{"expired", []Fact{fact(1, SessionExpired, "cs_now")}, []string{"session_expired removed:cs_now"}},
		{"expired, the intent known", []Fact{fact(1, SessionExpired, "cs_now", "pi_1")}, []string{"session_expired removed:pi_1 = removed:cs_now"}},
		{"expired and canceled, the tie unknown", []Fact{fact(1, SessionExpired, "cs_now"), fact(2, IntentCanceled, "pi_1")}, []string{
			"payment_canceled removed:pi_1 = removed:cs_now",
		}},
		{"expired and canceled, the tie known", []Fact{fact(1, SessionExpired, "cs_now", "pi_1"), fact(2, IntentCanceled, "pi_1")}, []string{
			"payment_canceled removed:pi_1 = removed:cs_now",
		}},
		{"expired and another session's intent canceled", []Fact{
			fact(1, SessionExpired, "cs_now"), fact(2, IntentCanceled, "pi_1"), fact(3, SessionExpired, "cs_old", "pi_1"),
		}, []string{"session_expired removed:cs_now"}},

		{"refunded", []Fact{paid, refundOf(9, true, "ch_1", "pi_1")}, []string{"refund_confirmed refunded:pi_1 = refunded:cs_now"}},
		{"refunded in part", []Fact{paid, refundOf(9, false, "ch_1", "pi_1")}, []string{"payment_confirmed paid:pi_1 = paid:cs_now"}},
		{"a refund that came back", []Fact{paid, refundOf(9, true, "ch_1", "pi_1"), fact(10, RefundFailed, "re_1", "ch_1")}, []string{
			"attention attention:refund_failed:re_1", "refund_confirmed refunded:pi_1 = refunded:cs_now",
		}},
		{"a double payment refunded", []Fact{paid, fact(5, Paid, "cs_old", "pi_0"), refundOf(9, true, "ch_0", "pi_0")}, []string{
			"payment_confirmed paid:pi_1 = paid:cs_now", "refund_confirmed refunded:pi_0 = refunded:cs_old",
		}},

		{"disputed", []Fact{paid, fact(9, Disputed, "dp_1", "pi_1")}, []string{"dispute_opened dispute:dp_1"}},
		{"won", []Fact{paid, fact(9, Disputed, "dp_1", "pi_1"), closed(10, "won", "dp_1", "pi_1")}, []string{
			"dispute_closed dispute:dp_1:won", "payment_confirmed paid:pi_1 = paid:cs_now",
		}},
		{"lost", []Fact{paid, fact(9, Disputed, "dp_1", "pi_1"), closed(10, "lost", "dp_1", "pi_1")}, []string{"dispute_closed dispute:dp_1:lost"}},
		{"two disputes", []Fact{paid, fact(9, Disputed, "dp_1", "pi_1"), fact(9, Disputed, "dp_2", "pi_1")}, []string{
			"dispute_opened dispute:dp_1", "dispute_opened dispute:dp_2",
		}},
		{"a canceled one disputed", []Fact{fact(1, IntentCanceled, "pi_1"), fact(9, Disputed, "dp_1", "pi_1")}, []string{"dispute_opened dispute:dp_1"}},
		{"a declined one disputed", []Fact{declined, fact(9, Disputed, "dp_1", "ch_9")}, []string{"dispute_opened dispute:dp_1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, m := range settle(t, usual(), c.facts).Mails {
				got = append(got, mailLine(m))
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}

func TestARemovalIsNotThatOfAnAttemptThatCanBeToldApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		facts []Fact
		want  string
	}{
		{"two sessions", []Fact{fact(1, SessionExpired, "cs_1"), fact(2, SessionExpired, "cs_2")}, "session_expired removed:cs_2"},
		{"two intents", []Fact{fact(1, IntentCanceled, "pi_1"), fact(2, IntentCanceled, "pi_2")}, "payment_canceled removed:pi_2"},
		{"a session of another intent", []Fact{fact(1, SessionExpired, "cs_1", "pi_1"), fact(2, IntentCanceled, "pi_2")}, "payment_canceled removed:pi_2"},
		{"a session that is open", []Fact{fact(1, ActionRequired, "pi_1"), fact(2, SessionExpired, "cs_2")}, "session_expired removed:cs_2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			mails := settle(t, usual(withoutSession), c.facts).Mails
			if len(mails) != 1 || mailLine(mails[0]) != c.want {
				t.Errorf("got %s, want %s", lines(mails), c.want)
			}
		})
	}
}

func TestAMailSaysWhatItIsAbout(t *testing.T) {
	t.Parallel()
	declined := fact(1, PaymentFailed, "pi_1", "ch_1").with(func(f *Fact) { f.Message = "Your card was declined." })
	again := fact(2, PaymentFailed, "pi_1", "ch_2").with(func(f *Fact) { f.Message = "Your card has expired." })
	mails := settle(t, usual(), []Fact{declined, again}).Mails
	if len(mails) != 2 || mails[0].Fact != declined || mails[1].Fact != again {
		t.Errorf("two declines want %+v", mails)
	}
	paid := fact(3, Paid, "cs_now", "pi_1").with(func(f *Fact) { f.Amount = 1 })
	mails = settle(t, usual(), []Fact{declined, again, paid}).Mails
	if len(mails) != 2 || mails[0].Fact != paid || mails[1].Fact != paid || mails[1].Flag != AmountMismatch {
		t.Errorf("a payment of another amount wants %+v", mails)
	}
}

func TestOnlyMailsAboutDisputesAndAttentionGoToTheAdmin(t *testing.T) {
	t.Parallel()
	for kind, want := range map[MailKind]bool{
		MailPaymentConfirmed: false, MailPaymentFailed: false, MailPaymentCanceled: false, MailActionRequired: false,
		MailSessionExpired: false, MailRefundConfirmed: false,
		MailDisputeOpened: true, MailDisputeClosed: true, MailAttention: true,
	} {
		if kind.ToAdmin() != want {
			t.Errorf("%s goes to the admin: %v", kind, !want)
		}
	}
}
