package settings

import (
	"strings"
	"testing"
	"time"
)

// every has a setting of each kind.
type every struct {
	Text     string        `env:"TEXT" envDefault:"x"`
	Number   int64         `env:"NUMBER" envDefault:"1"`
	Switch   bool          `env:"SWITCH"`
	Duration time.Duration `env:"DURATION" envDefault:"5m"`
	List     []string      `env:"LIST"`
	Secret   string        `env:"SECRET" secret:"true"`
	NATS     NATS
	Database Database
	Logging  Logging
}

// FuzzLoad looks for values that make Load panic, or repeat a secret in what it says is wrong.
func FuzzLoad(f *testing.F) {
	f.Add("x", "1", "true", "5m", "a,b", "whsec_0123456789", "nats://u:p4ssw0rd-of-nats@host:4222", "postgres://u:p4ssw0rd-of-postgres@host/db", "info")
	f.Add("", "1e3", "maybe", "5 minutes", ",", "", "nats://u:p4%zz@host", "postgres://u:p4ss w0rd@ho st:port/db", "loud")
	f.Add("\x00", "99999999999999999999", "", "-1h", "\n", " ", "://", "host=/tmp password='p4ssw0rd of all' dbname=x", "\xff")
	f.Fuzz(func(t *testing.T, text, number, on, duration, list, secret, nats, database, level string) {
		var set every
		err := Load(&set, Source{Env: map[string]string{
			"TEXT": text, "NUMBER": number, "SWITCH": on, "DURATION": duration, "LIST": list, "SECRET": secret,
			"NATS_URL": nats, "DATABASE_URL": database, "LOG_LEVEL": level,
		}})
		if err == nil {
			return
		}
		const tooShort = 12 // to be told from a word of ours
		for _, hidden := range []string{secret, nats, database} {
			if len(hidden) >= tooShort && !strings.Contains(text+number+on+duration+list+level, hidden) && strings.Contains(err.Error(), hidden) &&
				!strings.Contains(ours, hidden) {
				t.Errorf("the error repeats %q: %v", hidden, err)
			}
		}
	})
}

// ours are words of the errors themselves, which a secret may happen to be.
const ours = "NATS_URL is not a URL such as nats://user:password@host:4222; special characters of a password must be percent-encoded" +
	"DATABASE_URL is not a URL such as postgres://user:password@host:5432/database"
