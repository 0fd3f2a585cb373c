package deploy

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// guides are the operators' guides; they say the same.
var guides = []string{"../docs/guide-stripe.fr.md", "../docs/guide-stripe.en.md"}

// blocks are the shell commands of a document.
func blocks(t *testing.T, path string) []string {
	t.Helper()
	var out []string
	for _, found := range regexp.MustCompile("(?s)```(?:bash|sh)\n(.*?)```").FindAllStringSubmatch(read(t, path), -1) {
		out = append(out, found[1])
	}
	if len(out) == 0 {
		t.Fatalf("%s has no commands", path)
	}
	return out
}

func TestDocs_CommandsAreShellAndSayWhatTheyNeed(t *testing.T) {
	t.Parallel()
	engine := regexp.MustCompile(`(?m)^[^#]*\b(docker|kubectl|helm|make up|make down|create-secrets)\b`)
	for _, path := range append(guides, "../docs/deploy.md") {
		for _, block := range blocks(t, path) {
			check := exec.CommandContext(t.Context(), "bash", "-n")
			check.Stdin = strings.NewReader(block)
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s\n%s", path, err, out, block)
			}
			first, _, _ := strings.Cut(block, "\n")
			marked := regexp.MustCompile(`^# (Docker|Swarm|Kubernetes)\b`).MatchString(first)
			alias := strings.Contains(path, "guide") && regexp.MustCompile(`(?m)^guichet `).MatchString(block) // which is made of docker exec
			if needs := engine.MatchString(block) || alias; needs != marked {
				t.Errorf("%s: needs an engine %t, says so %t:\n%s", path, needs, marked, block)
			}
		}
	}
}

func TestDocs_LinksLeadSomewhere(t *testing.T) {
	t.Parallel()
	for _, path := range append(guides, "../docs/deploy.md", "../docs/runbook.md", "../docs/metrics.md", "../docs/scaling.md", "../README.md") {
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`).FindAllStringSubmatch(read(t, path), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), link[1])); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

func TestDocs_NameOnlyServicesAndSecretsThatAreThere(t *testing.T) {
	t.Parallel()
	s := swarm(t, nil, "stack.yml", "postgres.yml", "stripe-api.yml")
	known := map[string]bool{"guichet_platform": true, "guichet_worker": true, "guichet_owner": true} // the roles, and the network
	for name := range s.Services {
		known["guichet_"+name] = true
	}
	for _, secret := range s.Secrets {
		known[secret.Name] = true
	}
	for _, path := range append(guides, "../docs/deploy.md") {
		for _, name := range regexp.MustCompile(`\bguichet_\w+`).FindAllString(read(t, path), -1) {
			if !known[name] && !strings.HasSuffix(name, "_password") {
				t.Errorf("%s names %s, which is neither a service nor a secret of the stack", path, name)
			}
		}
	}
}

// logLines are the lines that operators and their scripts look for, as the design has them.
var logLines = []string{
	"STRIPE_WEBHOOK_SECRET found, webhook signature verification enabled",
	"STRIPE_WEBHOOK_SECRET not found, webhook signature verification disabled",
	"🔔 Received Stripe event: ",
	"⚠️  Webhook signature verification failed",
	"✅ Checkout completed for session: cs_",
	"✅ Payment confirmed for registration: reg-",
	"❌ Payment failed: pi_... - ",
	"❌ Payment failure handled for registration: reg-",
	"⚠️  Payment requires action: pi_",
	"⚠️  Payment action required handled for registration: reg-",
	"⚖️  Charge dispute created: ch_",
	"⚖️  Chargeback handled for registration: reg-",
	"🧹 Starting cleanup of expired Stripe sessions...",
	"🗑️ Found X expired Stripe sessions to cleanup",
	"✅ Cleanup completed: X/Y registrations cleaned",
	"❌ Failed to confirm payment for registration: reg-",
	"❌ Failed to handle payment failure for registration: reg-",
}

func TestDocs_TheGuidesTellEveryLogLineAndTheSameEvents(t *testing.T) {
	t.Parallel()
	var told []map[string]bool
	for _, path := range guides {
		text := read(t, path)
		for _, line := range logLines {
			if !strings.Contains(text, "\n"+line) {
				t.Errorf("%s has no line %q", path, line)
			}
		}
		events := map[string]bool{}
		for _, name := range regexp.MustCompile("`((?:checkout|payment_intent|charge)\\.[a-z_.]+)`").FindAllStringSubmatch(text, -1) {
			events[name[1]] = true
		}
		told = append(told, events)
	}
	if !maps.Equal(told[0], told[1]) || len(told[0]) != 12 {
		t.Errorf("the guides tell of\n%v\n%v", slices.Sorted(maps.Keys(told[0])), slices.Sorted(maps.Keys(told[1])))
	}
}

func TestDocs_TheGuidesHaveTheSameCommands(t *testing.T) {
	t.Parallel()
	commands := func(path string) []string {
		var out []string
		for _, block := range blocks(t, path) {
			for line := range strings.Lines(block) {
				line, _, _ = strings.Cut(line, " #")
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					out = append(out, line)
				}
			}
		}
		return out
	}
	french, english := commands(guides[0]), commands(guides[1])
	if !slices.Equal(french, english) {
		t.Errorf("in French:\n%s\n\nin English:\n%s", strings.Join(french, "\n"), strings.Join(english, "\n"))
	}
}
