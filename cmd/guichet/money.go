package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
	"github.com/educareschool/guichet/pkg/timeline"
)

type moneyCommand struct {
	All   bool `help:"Show also what somebody has acknowledged."`
	Limit int  `default:"200" help:"Most rows to show (default ${default})." placeholder:"N"`
}

// Help shows examples.
func (moneyCommand) Help() string {
	return `One table of where money and places do not go together, and of what is at stake: paid without a place, a place
without money, double payments, amounts that are not what was due, refunds that came back, payments that nothing
confirms or that name no registration there is, and open disputes, those whose evidence is due first. The last column
says what mends it.

    guichet money
    guichet money --all --output json

Settings (environment): DATABASE_URL, also as DATABASE_URL_FILE or as a Docker secret.`
}

// atStake is a concern with what to do about it.
type atStake struct {
	store.Concern
	Do string `json:"do"`
}

// Run shows concerns about money.
func (c moneyCommand) Run(ctx context.Context, g globals, s surroundings) error {
	if c.Limit < 1 {
		return usageError{errors.New("--limit must be at least 1")}
	}
	db, err := g.openStore(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	found, err := db.Concerns(ctx, c.All, c.Limit)
	if err != nil {
		return err
	}
	out := make([]atStake, 0, len(found))
	rows := [][]string{{"KIND", "REGISTRATION", "EVENT", "AMOUNT", "SINCE", "DUE", "WHAT TO DO"}}
	for _, f := range found {
		do := whatToDo(f)
		out = append(out, atStake{f, do})
		due := "-"
		if f.Due != nil {
			due = shown(*f.Due)
		}
		rows = append(rows, []string{
			f.Kind, cmp.Or(f.RegistrationID, f.Names, "-"), cmp.Or(f.EventTitle, "-"), amountOf(f), shown(f.Since), due, do,
		})
	}
	if len(out) == 0 && g.Output != "json" {
		_, err := fmt.Fprintln(s.Stdout, "Money and places go together, and no dispute is open.")
		return err
	}
	if len(out) == c.Limit {
		_, _ = fmt.Fprintf(s.Stderr, "These are the first %d: there may be more, which --limit shows.\n", c.Limit)
	}
	return g.print(s.Stdout, out, rows)
}

// amountOf is what was paid, refunded or is disputed; of a mismatch also what was due.
func amountOf(c store.Concern) string {
	if c.Amount == nil {
		return "-"
	}
	text := timeline.Money(*c.Amount, c.Currency)
	if c.Kind == string(registration.AmountMismatch) && c.AmountDue != nil {
		text += " of " + timeline.Money(*c.AmountDue, c.Currency)
	}
	return text
}

// whatToDo is what mends a concern, with the command where there is one.
func whatToDo(c store.Concern) string {
	ack := fmt.Sprintf("guichet attention ack %d --note …", c.Attention)
	switch registration.Flag(c.Kind) {
	case registration.PaidWithoutSeat:
		return fmt.Sprintf("raise the capacity of %s, which seats it at once, or refund %s at Stripe; then %s", c.EventID, cmp.Or(c.Object, "it"), ack)
	case registration.DoublePayment:
		return fmt.Sprintf("refund %s at Stripe, which clears it, or %s", c.Object, ack)
	case registration.AmountMismatch:
		return fmt.Sprintf("mend amount_due of the row, or settle the difference of %s at Stripe; then %s", c.Object, ack)
	case registration.FailedRefund:
		return fmt.Sprintf("give the money back another way (%s came back); then %s", c.Object, ack)
	case registration.UnconfirmedPayment:
		return fmt.Sprintf("guichet backfill --since 72h --apply, for the event that confirms %s", c.Object)
	case registration.UnknownRegistration:
		return fmt.Sprintf("guichet trace %s; insert registration %s, or refund the payment at Stripe", c.FactID, cmp.Or(c.Names, "-"))
	case registration.UnlinkedDispute:
		return fmt.Sprintf("guichet trace %s; answer it at Stripe: nothing tells whose it is", c.Object)
	}
	switch {
	case c.Kind == store.OpenDispute:
		return fmt.Sprintf("answer dispute %s at Stripe; guichet trace %s", c.Object, c.RegistrationID)
	case c.Kind == store.SeatWithoutMoney && c.Overdue:
		return "cleanup ends it within minutes; if it stays so, guichet status tells whether a worker runs and keeps up"
	case c.Kind == store.SeatWithoutMoney:
		return fmt.Sprintf("guichet verify --registration %s --repair", c.RegistrationID)
	}
	return fmt.Sprintf("guichet trace %s; then %s", cmp.Or(c.RegistrationID, c.FactID), ack)
}
