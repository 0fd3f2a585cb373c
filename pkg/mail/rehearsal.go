package mail

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"text/template/parse"
	"time"

	"github.com/educareschool/guichet/pkg/registration"
)

// complete checks that a template in the place of an embedded one defines whatever that defines.
func (l library) complete() error {
	built, err := fs.Sub(embedded, "templates")
	if err != nil {
		return err
	}
	var problems []error
	for _, p := range l.paths() {
		if l[p].name == p {
			continue // the embedded one
		}
		original := library{}
		if err := original.read(built, p, p); err != nil {
			return err
		}
		wanted, err := definitions(original[p])
		if err != nil {
			return err
		}
		has, err := definitions(l[p])
		if err != nil {
			problems = append(problems, err)
			continue
		}
		for _, name := range wanted {
			if !slices.Contains(has, name) {
				problems = append(problems, fmt.Errorf("template: %s: {{define %q}} is missing", l[p].name, name))
			}
		}
	}
	return errors.Join(problems...)
}

// definitions returns the names that a file gives by {{define}}, in order of the alphabet.
func definitions(s source) ([]string, error) {
	trees := map[string]*parse.Tree{}
	t := parse.New(s.name)
	t.Mode = parse.SkipFuncCheck
	if _, err := t.Parse(s.text, "", "", trees); err != nil {
		return nil, err
	}
	var names []string
	for name := range trees {
		if name != s.name {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// rehearse renders every mail and wording of every language: with everything known, in test mode and in live
// mode, and with nothing.
func (r *Renderer) rehearse() error {
	var problems []error
	for _, language := range languages() {
		w := wordings{templates: r.bundles[language].words, about: newView(full(language), language, r.brand)}
		for _, t := range w.templates.Templates() {
			w.write(t.Name())
		}
		problems = append(problems, w.err)
		for _, name := range mailNames() {
			other := full(language)
			other.Livemode, other.WithoutSeat = true, true
			for _, c := range []Content{full(language), other, {Locale: string(language)}} {
				c.Kind = registration.MailKind(name)
				if name == withoutSeat {
					c.Kind, c.WithoutSeat = registration.MailPaymentConfirmed, true
				} else if c.Kind == registration.MailPaymentConfirmed {
					c.WithoutSeat = false
				}
				rendered, err := r.Render(c)
				switch {
				case err != nil:
					problems = append(problems, err)
				case rendered.Subject == "":
					problems = append(problems, fmt.Errorf("template: %s: the subject is empty", r.bundles[language].mails[name].textFile))
				}
			}
		}
	}
	return errors.Join(distinct(problems)...)
}

func distinct(problems []error) []error {
	var out []error
	seen := map[string]bool{}
	for _, p := range problems {
		if p != nil && !seen[p.Error()] {
			seen[p.Error()] = true
			out = append(out, p)
		}
	}
	return out
}

// full is a content in which everything is known.
func full(l Language) Content {
	due := time.Date(2026, time.April, 2, 23, 59, 0, 0, time.UTC)
	return Content{
		Locale: string(l), Name: "Camille Martin", Email: "camille@example.org",
		RegistrationID: "reg-1", Status: registration.PaidStatus,
		EventTitle: "Concert", EventDate: due,
		Amount: Money{2500, "eur"}, AmountDue: Money{3000, "eur"},
		HoldUntil: due, RetryURL: "https://example.org/retry", ActionURL: "https://example.org/3ds",
		Message: "Your card was declined.", Code: "card_declined", DeclineCode: "generic_decline", CancelReason: "abandoned",
		Session: "cs_1", Intent: "pi_1", Charge: "ch_1", Refund: "re_1", Dispute: "dp_1",
		DisputeReason: "fraudulent", DisputeOutcome: "lost", DisputeDue: due,
		Flag: registration.DoublePayment, Detail: "pi_2", Since: due,
	}
}
