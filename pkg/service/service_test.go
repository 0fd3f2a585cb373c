package service

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/pkg/settings"
)

// asProgram makes the tests' binary behave as the program that they start.
const asProgram = "GUICHET_SERVICE_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) == "" {
		os.Exit(m.Run())
	}
	var set struct {
		Address string        `env:"ADDRESS" envDefault:":8080" help:"where to listen"`
		Admin   string        `env:"ADMIN_ADDR" envDefault:"127.0.0.1:9090" help:"where to ask"`
		Wait    time.Duration `env:"WAIT" envDefault:"5s" help:"how long to wait"`
		Fail    bool          `env:"FAIL" help:"whether to fail"`
		Stuck   bool          `env:"STUCK" help:"whether to ignore a stop"`
		Logging settings.Logging
	}
	os.Exit(Program{
		Name: "thing", About: "does things", Settings: &set,
		Logging: func() settings.Logging { return set.Logging },
		Admin:   func() string { return set.Admin },
		Run: func(ctx context.Context, log *zap.Logger) error {
			log.Info("started at " + set.Address)
			if set.Fail {
				return errors.New("it broke")
			}
			<-ctx.Done()
			log.Info("stopping")
			if set.Stuck {
				<-time.After(time.Minute)
			}
			return nil
		},
	}.Main(os.Args[1:], os.Stdout, os.Stderr))
}

type result struct {
	code           int
	stdout, stderr string
}

func command(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append([]string{asProgram + "=1"}, env...)
	return cmd
}

func thing(t *testing.T, env []string, args ...string) result {
	t.Helper()
	var stdout, stderr strings.Builder
	cmd := command(t, env, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func TestHelp_ListsEverySettingWithItsDefault(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--help", "-h", "help"} {
		got := thing(t, []string{"WAIT=nonsense"}, flag)
		if got.code != ExitOK || got.stderr != "" {
			t.Errorf("%s: %+v", flag, got)
		}
		for _, want := range []string{"thing: does things", "Usage: thing [--help | --version | --healthcheck]", "ADDRESS      :8080           where to listen", "LOG_FORMAT   json"} {
			if !strings.Contains(got.stdout, want) {
				t.Errorf("%s: %q is not in\n%s", flag, want, got.stdout)
			}
		}
	}
}

func TestVersion_NamesProgramAndRelease(t *testing.T) {
	t.Parallel()
	if got := thing(t, nil, "--version"); got.code != ExitOK || !strings.HasPrefix(got.stdout, "thing ") || strings.Count(got.stdout, "\n") != 1 {
		t.Errorf("%+v", got)
	}
}

func TestArguments_AreRefused(t *testing.T) {
	t.Parallel()
	for _, argument := range []string{"serve", "--port=1", ""} {
		if got := thing(t, nil, argument); got.code != ExitUsage || got.stdout != "" || !strings.Contains(got.stderr, `"`+argument+`"`) {
			t.Errorf("%+v", got)
		}
	}
}

func TestWrongSettings_AreAllNamedAndNothingStarts(t *testing.T) {
	t.Parallel()
	got := thing(t, []string{"WAIT=soon", "LOG_LEVEL=loud", "LOG_FORMAT=xml"})
	const want = `thing cannot start, its settings are wrong:
  - WAIT is not a valid duration (such as 90s, 15m, 24h): unable to parse duration: time: invalid duration "soon"
  - LOG_LEVEL is "loud": it must be one of ["debug" "info" "warn" "error"]
  - LOG_FORMAT is "xml": it must be one of ["json" "console"]
See thing --help for every setting.
`
	if got.code != ExitUsage || got.stdout != "" || got.stderr != want {
		t.Errorf("%+v", got)
	}
}

func TestFailure_IsLoggedAndExitsWithOne(t *testing.T) {
	t.Parallel()
	got := thing(t, []string{"FAIL=true", "ADDRESS=:1"})
	if got.code != ExitFailed || !strings.Contains(got.stdout, `"message":"started at :1"`) ||
		!strings.Contains(got.stdout, `"level":"error"`) || !strings.Contains(got.stdout, `"error":"it broke"`) {
		t.Errorf("%+v", got)
	}
}

// begin starts the program and returns a reader of its lines once it works.
func begin(t *testing.T, env ...string) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	cmd := command(t, env)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	expect(t, lines, "started")
	return cmd, lines
}

func expect(t *testing.T, lines *bufio.Reader, want string) {
	t.Helper()
	if line, err := lines.ReadString('\n'); err != nil || !strings.Contains(line, want) {
		t.Fatalf("%q, %v; want %q", line, err, want)
	}
}

func TestSignal_EndsTheProgramInOrder(t *testing.T) {
	t.Parallel()
	for _, s := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd, lines := begin(t)
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		expect(t, lines, "stopping")
		if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
			t.Errorf("%s: %q, %v", s, rest, err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestSecondSignal_EndsAProgramThatDoesNotStop(t *testing.T) {
	t.Parallel()
	cmd, lines := begin(t, "STUCK=true")
	_ = cmd.Process.Signal(syscall.SIGTERM)
	expect(t, lines, "stopping")
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(10 * time.Millisecond) // one that comes within microseconds of the first counts as the first
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = cmd.Process.Signal(syscall.SIGTERM)
		case err := <-ended:
			if err == nil || !strings.Contains(err.Error(), "terminated") {
				t.Errorf("%v", err)
			}
			return
		}
	}
}
