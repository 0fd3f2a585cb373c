package acceptance

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/simulate"
)

// guideLines are the lines of the operators' guide, with what varies left open.
var (
	ingesterLines = []string{
		`STRIPE_WEBHOOK_SECRET found, webhook signature verification enabled`,
		`🔔 Received Stripe event: checkout\.session\.completed`,
		`🔔 Received Stripe event: payment_intent\.payment_failed`,
		`⚠️  Webhook signature verification failed`,
	}
	workerLines = []string{
		`✅ Checkout completed for session: cs_\w+`,
		`✅ Payment confirmed for registration: reg-\d+`,
		`❌ Payment failed: pi_\w+ - Your card was declined\.`,
		`❌ Payment failure handled for registration: reg-\d+`,
		`⚠️  Payment requires action: pi_\w+`,
		`⚠️  Payment action required handled for registration: reg-\d+`,
		`⚖️  Charge dispute created: ch_\w+`,
		`⚖️  Chargeback handled for registration: reg-\d+`,
		`🧹 Starting cleanup of expired Stripe sessions\.\.\.`,
		`🗑️ Found \d+ expired Stripe sessions to cleanup`,
		`✅ Cleanup completed: \d+/\d+ registrations cleaned`,
		`❌ Failed to confirm payment for registration: reg-\d+`,
		`❌ Failed to handle payment failure for registration: reg-\d+`,
	}
)

// checkLogs wants every line of the guide in both forms, and nothing private in any.
func (c *cluster) checkLogs() {
	c.t.Helper()
	for _, p := range c.ingesters {
		wantLines(p, ingesterLines)
	}
	for _, p := range c.workers {
		wantLines(p, workerLines)
	}
	private := []string{
		secret, mailOwner, "Grace Hopper", simulate.BuyerName, simulate.BuyerEmail, simulate.BuyerPhone,
		"12 rue de l'Exemple", "client_secret", "admin@example.org", "payment_method_details", `"data":`,
	}
	for _, p := range append(c.ingesters, c.workers...) {
		for _, word := range private {
			if i := strings.Index(p.out.String(), word); i >= 0 {
				text := p.out.String()
				c.t.Errorf("%s logs %q: …%s…", p.name, word, text[max(0, i-200):min(len(text), i+200)])
			}
		}
	}
}

// wantLines waits for each line, as the message of a JSON log or as the text of one for people.
func wantLines(p *process, lines []string) {
	p.t.Helper()
	for _, line := range lines {
		exact := regexp.MustCompile(`^` + line + `$`)
		eventually(p.t, p.name+" logs "+line, func() error {
			for _, logged := range strings.Split(p.out.String(), "\n") {
				if exact.MatchString(messageOf(logged)) {
					return nil
				}
			}
			return fmt.Errorf("not logged")
		})
	}
}

// messageOf returns the message of a log line in either form.
func messageOf(line string) string {
	var entry struct {
		Message string `json:"message"`
	}
	if json.Unmarshal([]byte(line), &entry) == nil {
		return entry.Message
	}
	fields := strings.Split(line, "\t") // time, level, logger, message, fields
	if len(fields) < 4 {
		return ""
	}
	return fields[3]
}

func TestWithoutASecretTheIngesterSaysSo(t *testing.T) {
	t.Parallel()
	p := start(t, "ingester", []string{"NATS_URL=" + natsServer(t), "LISTEN_ADDR=127.0.0.1:0", "ADMIN_ADDR=127.0.0.1:0"})
	wantLines(p, []string{`STRIPE_WEBHOOK_SECRET not found, webhook signature verification disabled`})
	p.stop()
}
