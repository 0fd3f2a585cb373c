package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/educareschool/guichet/pkg/store"
)

type mailsRetry struct {
	Numbers []int64 `arg:"" optional:"" help:"Numbers of the mails, as 'guichet mails list' shows them."`
	mailPicks
	Failed     bool `help:"All that were given up."`
	Suppressed bool `help:"All that were wanted while mails were off."`
	consent
}

// Help shows examples.
func (mailsRetry) Help() string {
	return `They become pending now, with all their tries before them; a worker sends them within a second or two. One that
the registration's state wants no longer is dropped when its turn comes. What was sent is never sent again, and what
a worker is sending just now is left to it.

    guichet mails retry 12 13
    guichet mails retry --failed
    guichet mails retry --suppressed --kind payment_confirmed --yes

` + mailsSettings
}

// Run has mails tried again.
func (c mailsRetry) Run(ctx context.Context, g globals, s surroundings) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	if c.Failed {
		filter.Statuses = append(filter.Statuses, store.MailFailed)
	}
	if c.Suppressed {
		filter.Statuses = append(filter.Statuses, store.MailSuppressed)
	}
	if filter.IDs = c.Numbers; len(c.Numbers)+len(filter.Statuses) == 0 {
		return usageError{errors.New("which mails? Say their numbers, --failed or --suppressed")}
	}
	db, err := g.openStore(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	const most = 1_000_000
	found, err := db.ListMails(ctx, filter, most)
	if err != nil {
		return err
	}
	what, err := c.plan(found)
	if err != nil {
		return err
	}
	if err := c.ask(s, what); err != nil {
		return err
	}
	done, err := recorded(ctx, db, "mails retry", c.consent, filter, func() (retried, error) {
		mails, err := db.RetryMails(ctx, filter)
		return retriedOf(mails), err
	})
	if err != nil {
		return err
	}
	said := "Tried again now: " + count(len(done.Mails), "mail") + "."
	if left := len(found) - len(done.Mails); left > 0 {
		said += fmt.Sprintf(" %d are left as they are: sent, or being sent just now.", left)
	}
	return g.print(s.Stdout, done, [][]string{{said}})
}

// retried is the record of what was tried again.
type retried struct {
	Mails         []int64  `json:"mails"`
	Registrations []string `json:"registrations"`
}

func retriedOf(mails []store.Mail) retried {
	out := retried{Mails: []int64{}, Registrations: []string{}}
	for _, m := range mails {
		out.Mails = append(out.Mails, m.ID)
		if m.RegistrationID != "" && !slices.Contains(out.Registrations, m.RegistrationID) {
			out.Registrations = append(out.Registrations, m.RegistrationID)
		}
	}
	slices.Sort(out.Mails)
	slices.Sort(out.Registrations)
	return out
}

// plan says which mails will be tried again, by kind, or why none will be.
func (c mailsRetry) plan(found []store.Mail) (string, error) {
	for _, n := range c.Numbers {
		if !slices.ContainsFunc(found, func(m store.Mail) bool { return m.ID == n }) {
			return "", fmt.Errorf("no mail %d is such: see `guichet mails list`", n)
		}
	}
	counts := map[string]int{}
	for _, m := range found {
		if m.Status != store.MailSent {
			counts[fmt.Sprintf("%s (%s)", m.Kind, m.Status)]++
		}
	}
	var parts []string
	for name, n := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", n, name))
	}
	slices.Sort(parts)
	switch {
	case len(parts) > 0:
		return "These mails will be tried again now: " + strings.Join(parts, ", ") + ".", nil
	case len(found) > 0:
		return "", errors.New("what was sent is not sent again")
	}
	return "", errors.New("no mail is such")
}
