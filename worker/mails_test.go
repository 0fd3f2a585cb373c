package worker

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/educareschool/guichet/pkg/simulate"
)

// letter is a mail as its reader sees it.
type letter struct {
	header     netmail.Header
	text, html string
}

// letter waits until a registration's mail of a kind is in the mailbox, and reads it.
func (r *room) letter(registration, kind string) letter {
	r.t.Helper()
	r.is("sent", `SELECT status FROM notifications WHERE registration_id = $1 AND kind = $2`, registration, kind)
	var id int64
	if err := r.db.Get(&id, `SELECT id FROM notifications WHERE registration_id = $1 AND kind = $2`, registration, kind); err != nil {
		r.t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(r.settings.Mail.Mailbox, fmt.Sprintf("%d.*-%s.eml", id, kind)))
	if err != nil || len(files) != 1 {
		r.t.Fatalf("%s of %s is in %q, %v", kind, registration, files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		r.t.Fatal(err)
	}
	message, err := netmail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		r.t.Fatal(err)
	}
	_, parameters, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil {
		r.t.Fatal(err)
	}
	parts := multipart.NewReader(message.Body, parameters["boundary"])
	return letter{message.Header, r.part(parts), r.part(parts)}
}

func (r *room) part(parts *multipart.Reader) string {
	r.t.Helper()
	part, err := parts.NextRawPart()
	if err != nil {
		r.t.Fatal(err)
	}
	body, err := io.ReadAll(quotedprintable.NewReader(part))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(body)
}

func TestMailsSayWhatIsKnown(t *testing.T) {
	t.Parallel()
	r := newRoom(t)
	r.settings.Accounts = []string{"acct_club"}
	r.settings.Mail.From, r.settings.Mail.ReplyTo = "Billets <billets@example.org>", "bonjour@example.org"
	r.settings.Mail.RetryURL, r.settings.Mail.AdminLocale = "https://example.org/r/{registration}/pay", "en"
	r.exec(`UPDATE events SET title = 'Thé & poésie', starts_at = '2026-12-05 12:00Z'`)
	register := func(id, locale string) *simulate.Payment {
		r.exec(`INSERT INTO registrations (id, event_id, email, name, locale) VALUES ($1, 'e', $1 || '@example.org', 'Zoé d''Arc', $2)`, id, locale)
		return r.stripe.Payment(id)
	}
	paid, declined, late := register("paid", "fr"), register("declined", "en"), register("late", "en")
	action, canceled, refunded := register("action", "fr"), register("canceled", "en-GB"), register("refunded", "fr")
	disputed, lost, twice, unconfirmed := register("disputed", "fr"), register("lost", "fr"), register("twice", "fr"), register("unconfirmed", "fr")
	again := r.stripe.Payment("twice")
	r.exec(`INSERT INTO registrations (id, event_id, email, locale, amount_due, currency, checkout_session_id, checkout_created_at, checkout_expires_at)
		VALUES ('expired', 'e', 'expired@example.org', 'en', 1250, 'usd', 'cs_1', now() - interval '26 hours', now() - interval '2 hours')`)
	club := []simulate.Option{simulate.Live(), simulate.OnAccount("acct_club")}
	r.publish(
		paid.Completed(), declined.Failed(simulate.CardDeclined()), action.RequiresAction(), canceled.Canceled("requested_by_customer"),
		late.Failed(simulate.CardDeclined(), simulate.At(time.Now().Add(-25*time.Hour))),
		refunded.Completed(), refunded.Refunded(simulate.DefaultAmount), lost.Completed(), lost.Succeeded(), lost.Disputed(),
		disputed.Completed(club...), disputed.Succeeded(club...), disputed.Disputed(club...), twice.Completed(simulate.At(time.Now().Add(-time.Minute))), again.Completed(),
		unconfirmed.Succeeded(club...), lost.DisputeClosed(simulate.Lost),
	)
	r.work()
	r.is("1", `SELECT count(*) FROM stripe_events WHERE kind = 'intent_succeeded' AND registration_id = 'unconfirmed'`)
	r.exec(`UPDATE stripe_events SET stored_at = stored_at - interval '16 minutes' WHERE registration_id = 'unconfirmed'`)

	const nb, event = "\u00a0", "Thé & poésie"
	for _, c := range []struct {
		registration, kind string
		says, keeps        []string // what it says, and what it must not
	}{
		{"paid", "payment_confirmed", []string{"Bonjour Zoé d'Arc", "45,00" + nb + "€", event, "5" + nb + "décembre 2026"}, []string{"plus de place"}},
		{"declined", "payment_failed", []string{"Hello Zoé d'Arc", "€45.00", event, "your bank declined", "Your card was declined.", "https://example.org/r/declined/pay", "We are keeping your place until"}, nil},
		{"late", "payment_failed", []string{"€45.00", "https://example.org/r/late/pay"}, []string{"keeping your place until"}},
		{"action", "action_required", []string{"45,00" + nb + "€", event, "https://hooks.stripe.com/redirect/authenticate/" + action.Intent}, nil},
		{"canceled", "payment_canceled", []string{"Hello Zoé d'Arc", "€45.00", event, "at your request", "https://example.org/r/canceled/pay"}, nil},
		{"expired", "session_expired", []string{"Hello,", "$12.50", event, "5 December 2026", "https://example.org/r/expired/pay"}, nil},
		{"refunded", "refund_confirmed", []string{"Bonjour Zoé d'Arc", "45,00" + nb + "€", event}, nil},
		{"disputed", "dispute_opened", []string{"Zoé d'Arc", "disputed@example.org", "€45.00", event, "Answer by", "https://dashboard.stripe.com/acct_club/disputes/" + disputed.Dispute}, []string{"test mode"}},
		{"lost", "dispute_closed", []string{"Zoé d'Arc", "€45.00", "lost", "https://dashboard.stripe.com/test/disputes/" + lost.Dispute, "test mode"}, nil},
		{"twice", "attention", []string{"Zoé d'Arc", "twice@example.org", "€45.00", "paid more than once", "https://dashboard.stripe.com/test/payments/" + again.Intent}, nil},
		{"unconfirmed", "attention", []string{"€45.00", "https://dashboard.stripe.com/acct_club/payments/" + unconfirmed.Intent}, []string{"test mode"}},
	} {
		got := r.letter(c.registration, c.kind)
		for _, word := range c.says {
			if !strings.Contains(got.text, word) || !strings.Contains(unescaped(got.html), word) {
				t.Errorf("%s of %s does not say %q:\n%s", c.kind, c.registration, word, got.text)
			}
		}
		for _, word := range c.keeps {
			if strings.Contains(got.text+got.html, word) {
				t.Errorf("%s of %s says %q:\n%s", c.kind, c.registration, word, got.text)
			}
		}
		if from, to := got.header.Get("From"), got.header.Get("Reply-To"); !strings.Contains(from, "billets@example.org") || !strings.Contains(to, "bonjour@example.org") {
			t.Errorf("%s comes from %s, answers go to %s", c.kind, from, to)
		}
		want := c.registration + "@example.org"
		if strings.Contains("dispute_opened dispute_closed attention", c.kind) {
			want = "admin@example.org"
		}
		if to := got.header.Get("To"); !strings.Contains(to, want) {
			t.Errorf("%s of %s goes to %s", c.kind, c.registration, to)
		}
	}
}

// unescaped is HTML with its entities as what they stand for.
func unescaped(html string) string {
	return strings.NewReplacer("&amp;", "&", "&#39;", "'", "&#34;", `"`).Replace(html)
}
