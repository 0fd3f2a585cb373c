package deploy

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestRules_AreValidAndDoWhatTheirTestsSay(t *testing.T) {
	t.Parallel()
	promtool(t, nil, "check", "config", "prometheus/prometheus.yml")
	promtool(t, nil, "check", "rules", "prometheus/rules.yml")
	promtool(t, nil, "test", "rules", "prometheus/rules_test.yml")
}

// alerts returns the names that a pattern finds in a file.
func alerts(t *testing.T, path, pattern string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, found := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(content), -1) {
		out = append(out, found[1])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestRules_EachAlertIsTestedBothWaysAndHasItsSectionInTheRunbook(t *testing.T) {
	t.Parallel()
	rules := alerts(t, "prometheus/rules.yml", `- alert: (\w+)`)
	if len(rules) < 10 {
		t.Fatalf("only %q", rules)
	}
	for what, found := range map[string][]string{
		"tests that fire":         alerts(t, "prometheus/rules_test.yml", `alertname: (\w+)\n\s+exp_alerts:\n\s+- exp_labels`),
		"tests that do not fire":  alerts(t, "prometheus/rules_test.yml", `alertname: (\w+), exp_alerts: \[\]`),
		"sections of the runbook": alerts(t, "../docs/runbook.md", `(?m)^## (Guichet\w+)$`),
	} {
		if !slices.Equal(found, rules) {
			t.Errorf("%s: %q, the alerts are %q", what, found, rules)
		}
	}
	for _, anchor := range alerts(t, "prometheus/rules.yml", `runbook_url: https://github.com/educareschool/guichet/blob/main/docs/runbook\.md#(\w+)`) {
		if !slices.ContainsFunc(rules, func(name string) bool { return strings.ToLower(name) == anchor }) {
			t.Errorf("no section of the runbook is #%s", anchor)
		}
	}
}
