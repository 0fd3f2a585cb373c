package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/educareschool/guichet/pkg/registration"
	"github.com/educareschool/guichet/pkg/store"
)

type mailsCommand struct {
	List  mailsList  `cmd:"" default:"withargs" help:"List mails of the outbox, newest first."`
	Show  mailsShow  `cmd:"" help:"Show one, with what became of it and whether it is still wanted."`
	Retry mailsRetry `cmd:"" help:"Have mails tried again now."`
}

// mailsSettings are the last words of the commands' help.
const mailsSettings = "Settings (environment): DATABASE_URL, also as DATABASE_URL_FILE or as a Docker secret."

// mailPicks are the flags that pick mails, beside their numbers.
type mailPicks struct {
	Registration string `help:"Registration that they are about." placeholder:"ID"`
	Kind         string `help:"Kind, such as payment_confirmed." placeholder:"KIND"`
}

func (p mailPicks) filter() (store.MailFilter, error) {
	kind := registration.MailKind(p.Kind)
	if p.Kind != "" && !slices.Contains(registration.MailKinds(), kind) {
		return store.MailFilter{}, usageError{fmt.Errorf("%q is no kind of mail: they are %v", p.Kind, registration.MailKinds())}
	}
	return store.MailFilter{Registration: p.Registration, Kind: kind}, nil
}

type mailsList struct {
	mailPicks
	Status []string `enum:"pending,sent,dropped,failed,suppressed" help:"Status: pending, sent, dropped, failed or suppressed; several with commas." placeholder:"STATUS"`
	Limit  int      `default:"50" help:"Most mails to show (default ${default})." placeholder:"N"`
}

// Help shows examples.
func (mailsList) Help() string {
	return `A mail is pending until it is sent. It is dropped when its turn comes and the registration's state wants it no
longer; failed when it was given up; suppressed when it was wanted while somebody repaired with mails off.

    guichet mails list
    guichet mails list --status failed,suppressed --kind payment_confirmed
    guichet mails list --registration reg-1 --output json

` + mailsSettings
}

// Run lists mails.
func (c mailsList) Run(ctx context.Context, g globals, s surroundings) error {
	filter, err := c.filter()
	if err != nil {
		return err
	}
	for _, status := range c.Status {
		filter.Statuses = append(filter.Statuses, store.MailStatus(status))
	}
	db, err := g.openStore(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	found, err := db.ListMails(ctx, filter, c.Limit)
	if err != nil {
		return err
	}
	if len(found) == 0 && g.Output != "json" {
		_, err := fmt.Fprintln(s.Stdout, "No mail is such.")
		return err
	}
	return g.print(s.Stdout, found, mailRows(found))
}

func mailRows(mails []store.Mail) [][]string {
	rows := [][]string{{"NUMBER", "MADE", "KIND", "REGISTRATION", "STATUS", "TRIES", "NEXT OR SENT", "LAST ERROR"}}
	for _, m := range mails {
		next := "-"
		switch {
		case m.Status == store.MailPending:
			next = shown(m.SendAfter)
		case m.SentAt != nil:
			next = shown(*m.SentAt)
		}
		rows = append(rows, []string{
			strconv.FormatInt(m.ID, 10), shown(m.CreatedAt), string(m.Kind), cmp.Or(m.RegistrationID, "-"), string(m.Status),
			strconv.Itoa(m.Attempts), next, cmp.Or(m.LastError, "-"),
		})
	}
	return rows
}

type mailsShow struct {
	Number int64 `arg:"" help:"Number of the mail, as 'guichet mails list' shows it."`
}

// Help shows an example.
func (mailsShow) Help() string {
	return `It names no address: that is the registration's, or ADMIN_EMAIL.

    guichet mails show 12

` + mailsSettings
}

// shownMail is a mail with whether its state wants it.
type shownMail struct {
	store.Mail
	To     string `json:"to"`
	Wanted bool   `json:"wanted"`
}

// Run shows a mail.
func (c mailsShow) Run(ctx context.Context, g globals, s surroundings) error {
	db, err := g.openStore(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	m, wanted, err := db.MailWanted(ctx, c.Number)
	if err != nil {
		return err
	}
	out := shownMail{Mail: m, To: "participant", Wanted: wanted}
	if m.Kind.ToAdmin() {
		out.To = "admin"
	}
	word := "no: it would not be sent"
	if wanted {
		word = "yes"
	}
	rows := [][]string{
		{"number", strconv.FormatInt(m.ID, 10)}, {"kind", string(m.Kind)}, {"to", "the " + out.To}, {"registration", cmp.Or(m.RegistrationID, "-")},
		{"about", m.Slot}, {"event", cmp.Or(m.FactID, "-")}, {"status", string(m.Status)}, {"still wanted", word}, {"made", shown(m.CreatedAt)},
		{"tries", strconv.Itoa(m.Attempts)},
	}
	if m.Status == store.MailPending {
		rows = append(rows, []string{"its turn", shown(m.SendAfter)})
	}
	if m.LeasedUntil != nil {
		rows = append(rows, []string{"being sent", "a worker has it until " + shown(*m.LeasedUntil)})
	}
	if m.SentAt != nil {
		rows = append(rows, []string{"sent", shown(*m.SentAt)})
	}
	if m.LastError != "" {
		rows = append(rows, []string{"last error", m.LastError})
	}
	return g.print(s.Stdout, out, rows)
}
