package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
)

// line logs one message of the guide with a field of each sort.
func line(t *testing.T, format string) string {
	t.Helper()
	var out bytes.Buffer
	log, err := New(&out, "info", format)
	if err != nil {
		t.Fatal(err)
	}
	log.Named("worker").Warn("❌ Payment failed: pi_1 - Your card was declined.", zap.String(RegistrationID, "reg-1"),
		zap.Duration(Duration, 1500*time.Microsecond), zap.Error(errors.New("no <answer>")))
	if !strings.HasSuffix(out.String(), "\n") || strings.Count(out.String(), "\n") != 1 {
		t.Fatalf("not one line: %q", out.String())
	}
	return out.String()
}

func TestJSON_IsOneObjectALineWithTheExactMessage(t *testing.T) {
	t.Parallel()
	var got map[string]string
	if err := json.Unmarshal([]byte(line(t, "json")), &got); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"level": "warn", "logger": "worker", "message": "❌ Payment failed: pi_1 - Your card was declined.",
		RegistrationID: "reg-1", Duration: "1.5ms", "error": "no <answer>",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	if at, err := time.Parse(time.RFC3339Nano, got["time"]); err != nil || time.Since(at) > time.Minute {
		t.Errorf("time is %q (%v)", got["time"], err)
	}
	if raw := line(t, "json"); !strings.Contains(raw, `"message":"❌ Payment failed: pi_1 - Your card was declined."`) {
		t.Errorf("the message is not in it as it stands in the guide: %s", raw)
	}
}

func TestConsole_IsTimeLevelProgramMessageAndFields(t *testing.T) {
	t.Parallel()
	want := regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{3}\tWARN\tworker\t❌ Payment failed: pi_1 - Your card was declined\.\t` +
		`\{"registration_id": "reg-1", "duration": "1\.5ms", "error": "no <answer>"\}\n$`)
	if got := line(t, "console"); !want.MatchString(got) {
		t.Errorf("%q", got)
	}
}

func TestLevel_LeavesOutWhatIsBelowIt(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := New(&out, "warn", "json")
	if err != nil {
		t.Fatal(err)
	}
	log.Info("no")
	log.Error("yes")
	if got := out.String(); strings.Contains(got, `"no"`) || !strings.Contains(got, `"yes"`) || strings.Contains(got, "stacktrace") {
		t.Errorf("%s", got)
	}
}

func TestNew_RefusesAnUnknownLevelOrFormat(t *testing.T) {
	t.Parallel()
	for _, bad := range [][2]string{{"loud", "json"}, {"info", "xml"}, {"info", ""}} {
		if _, err := New(&bytes.Buffer{}, bad[0], bad[1]); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
