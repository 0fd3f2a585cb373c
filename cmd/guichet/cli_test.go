package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/educareschool/guichet/pkg/service"
)

func TestCommands_EachShowAnExampleInTheirHelp(t *testing.T) {
	t.Parallel()
	parser, err := kong.New(&cli{}, kong.Name("guichet"), kong.Vars{"version": "", "declines": ""})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Leaves(true) {
		got := guichet(t, nil, strings.Fields(strings.TrimPrefix(command.FullPath(), "guichet ")+" --help")...)
		if got.code != service.ExitOK || !example(command.FullPath()).MatchString(got.stdout) {
			t.Errorf("%s --help: code %d, no example in\n%s", command.FullPath(), got.code, got.stdout)
		}
	}
}

// example is an indented line with the command in it.
func example(command string) *regexp.Regexp {
	return regexp.MustCompile(`(?m)^    .*` + regexp.QuoteMeta(command))
}

func TestRun_ExplainsItselfWithoutACommand(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), nil, surroundings{Stdout: &stdout, Stderr: &stderr})
	if code != service.ExitOK || !strings.Contains(stdout.String(), "Commands:") {
		t.Errorf("code %d\n%s%s", code, stdout.String(), stderr.String())
	}
}

func TestRun_ShowsItsVersion(t *testing.T) {
	t.Parallel()
	if got := guichet(t, nil, "--version"); got.code != service.ExitOK || !strings.HasPrefix(got.stdout, "guichet ") {
		t.Errorf("%+v", got)
	}
}

func TestRun_TellsMistakesInTheArgumentsApart(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want string
	}{
		"unknown command":     {[]string{"triger"}, "triger"},
		"unknown flag":        {[]string{"trigger", "--registratoin=reg-1", "charge.refunded"}, "--registration"},
		"of what is left out": {[]string{"replay", "--from-seq=1"}, "guichet replay run --help"},
		"unknown output":      {[]string{"trigger", "--list", "-o", "xml"}, "--output"},
		"missing type":        {[]string{"trigger"}, "--list"},
		"unknown variant":     {[]string{"trigger", "charge.dispute.closed", "--dispute-status=drawn", "--print"}, "won"},
		"negative amount":     {[]string{"trigger", "charge.refunded", "--amount=-1", "--print"}, "--amount"},
		"nowhere to send":     {[]string{"trigger", "charge.refunded"}, "GUICHET_URL"},
		"not an address":      {[]string{"trigger", "charge.refunded", "--url=localhost:8080"}, "localhost:8080"},
		"too much refunded":   {[]string{"trigger", "charge.refunded", "--amount=5", "--refund-total=6", "--print"}, "5"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := guichet(t, nil, test.args...)
			if got.code != service.ExitUsage || !strings.Contains(got.stderr, test.want) || got.stdout != "" {
				t.Errorf("%+v, want code %d and %q", got, service.ExitUsage, test.want)
			}
		})
	}
}
