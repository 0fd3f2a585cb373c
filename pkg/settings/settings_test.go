package settings

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// all is a settings struct with one field of each sort.
type all struct {
	Address string        `env:"ADDRESS" envDefault:":8080" help:"where to listen"`
	Wait    time.Duration `env:"WAIT" envDefault:"5s" help:"how long to wait"`
	Count   int           `env:"COUNT" help:"how many"`
	Fast    bool          `env:"FAST" help:"whether to hurry"`
	Names   []string      `env:"NAMES" help:"whom to greet"`
	Key     string        `env:"API_KEY" secret:"true" help:"opens the door"`
	Number  int           `env:"PIN" secret:"true" help:"opens the safe"`

	Database Database
	NATS     NATS
	Logging  Logging
}

const databaseURL = "postgres://u:p@localhost/d"

// load reads all from an environment that has what every case needs, and the pairs given.
func load(secrets string, pairs ...string) (all, []string) {
	env := map[string]string{"DATABASE_URL": databaseURL}
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	var s all
	if err := Load(&s, Source{Env: env, SecretsDir: secrets}); err != nil {
		return s, strings.Split(err.Error(), "\n")
	}
	return s, nil
}

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoad_ReadsTheEnvironmentAndFillsInDefaults(t *testing.T) {
	t.Parallel()
	got, problems := load("", "WAIT", "1m30s", "COUNT", "3", "FAST", "true", "NAMES", "ada,grace", "API_KEY", "k", "ADDRESS", "")
	if problems != nil {
		t.Fatal(problems)
	}
	if got.Address != ":8080" || got.Wait != 90*time.Second || got.Count != 3 || !got.Fast || !slices.Equal(got.Names, []string{"ada", "grace"}) ||
		got.Key != "k" || got.NATS.URL != "nats://127.0.0.1:4222" || got.Logging.Format != "json" || got.Database.URL != databaseURL {
		t.Errorf("%+v", got)
	}
}

func TestLoad_FindsASecret(t *testing.T) {
	t.Parallel()
	named := file(t, "named", " from the file \n")
	mounted := filepath.Dir(file(t, "api_key", "from Docker\r\n"))
	for name, test := range map[string]struct {
		secrets string
		pairs   []string
		want    string
	}{
		"nowhere":                          {t.TempDir(), nil, ""},
		"where there are no secrets":       {filepath.Join(t.TempDir(), "none"), nil, ""},
		"in the environment":               {"", []string{"API_KEY", "plain"}, "plain"},
		"in a file, without its newline":   {"", []string{"API_KEY_FILE", named}, "from the file"},
		"as a Docker secret, likewise":     {mounted, nil, "from Docker"},
		"in the environment before Docker": {mounted, []string{"API_KEY", "plain"}, "plain"},
		"in a file before Docker":          {mounted, []string{"API_KEY_FILE", named}, "from the file"},
		"empty, hence as a Docker secret":  {mounted, []string{"API_KEY", "", "API_KEY_FILE", ""}, "from Docker"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got, problems := load(test.secrets, test.pairs...); problems != nil || got.Key != test.want {
				t.Errorf("%q, %v; want %q", got.Key, problems, test.want)
			}
		})
	}
}

func TestLoad_ReadsOnlySecretsFromFiles(t *testing.T) {
	t.Parallel()
	if got, problems := load("", "ADDRESS_FILE", file(t, "a", ":1")); problems != nil || got.Address != ":8080" {
		t.Errorf("%q, %v", got.Address, problems)
	}
}

func TestLoad_RefusesASettingInItsOwnWords(t *testing.T) {
	t.Parallel()
	empty, missing := file(t, "api_key", "\n"), filepath.Join(t.TempDir(), "missing")
	for name, test := range map[string]struct {
		secrets string
		pairs   []string
		want    string
	}{
		"in both forms":           {"", []string{"API_KEY", "k", "API_KEY_FILE", missing}, "API_KEY and API_KEY_FILE are both set: keep one"},
		"in an empty file":        {"", []string{"API_KEY_FILE", empty}, "API_KEY_FILE: the file " + empty + " is empty"},
		"in a missing file":       {"", []string{"API_KEY_FILE", missing}, "API_KEY_FILE: cannot read it: open " + missing + ": no such file or directory"},
		"in an empty secret":      {filepath.Dir(empty), nil, "Docker secret: the file " + empty + " is empty"},
		"required and empty":      {"", []string{"DATABASE_URL", ""}, "DATABASE_URL is not set (or DATABASE_URL_FILE, or the Docker secret database_url)"},
		"required, in both forms": {"", []string{"DATABASE_URL_FILE", missing}, "DATABASE_URL and DATABASE_URL_FILE are both set: keep one"},
		"duration":                {"", []string{"WAIT", "5"}, `WAIT is not a valid duration (such as 90s, 15m, 24h): unable to parse duration: time: missing unit in duration "5"`},
		"number":                  {"", []string{"COUNT", "many"}, `COUNT is not a valid whole number: strconv.ParseInt: parsing "many": invalid syntax`},
		"truth":                   {"", []string{"FAST", "very"}, `FAST is not a valid true or false: strconv.ParseBool: parsing "very": invalid syntax`},
		"secret number":           {"", []string{"PIN", "12a34"}, "PIN is not a valid whole number"},
		"one of several":          {"", []string{"LOG_LEVEL", "loud"}, `LOG_LEVEL is "loud": it must be one of ["debug" "info" "warn" "error"]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, problems := load(test.secrets, test.pairs...); !slices.Equal(problems, []string{test.want}) {
				t.Errorf("%q\nwant %q", problems, test.want)
			}
		})
	}
}

func TestLoad_NamesEveryWrongSettingAtOnceAndEachOnce(t *testing.T) {
	t.Parallel()
	got, problems := load("", "WAIT", "soon", "COUNT", "x", "API_KEY", "k", "API_KEY_FILE", "f", "DATABASE_URL", "",
		"LOG_LEVEL", "loud", "LOG_FORMAT", "xml", "NATS_URL", "nats://%zz")
	var about []string
	for _, p := range problems {
		name, _, _ := strings.Cut(p, " ")
		about = append(about, name)
	}
	want := []string{"API_KEY", "WAIT", "COUNT", "DATABASE_URL", "NATS_URL", "LOG_LEVEL", "LOG_FORMAT"}
	if !slices.Equal(about, want) {
		t.Errorf("problems with %q, want %q", about, want)
	}
	if got.Wait != 5*time.Second {
		t.Errorf("a wrong setting is validated as %s, want its default", got.Wait)
	}
}

func TestLoad_NeverRepeatsASecret(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	hidden := file(t, "secret", secret)
	for name, pairs := range map[string][]string{
		"a number":                 {"PIN", secret},
		"both forms":               {"API_KEY", secret, "API_KEY_FILE", hidden},
		"a number in a file":       {"PIN_FILE", hidden},
		"NATS, no URL":             {"NATS_URL", "nats://me:" + secret + "%zz@host"},
		"NATS, of several":         {"NATS_URL", "nats://one:4222, nats://me:" + secret + "%@two"},
		"NATS, another scheme":     {"NATS_URL", "http://me:" + secret + "@host"},
		"database, no URL":         {"DATABASE_URL", "postgres://me:" + secret + "%zz@host/d"},
		"database, a space":        {"DATABASE_URL", "postgres://me: " + secret + "@ho st/d"},
		"database, another scheme": {"DATABASE_URL", "mysql://me:" + secret + "@host/d?a=b"},
		"database, only a word":    {"DATABASE_URL", secret},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, problems := load("", pairs...)
			if len(problems) != 1 || strings.Contains(problems[0], secret) {
				t.Errorf("%q", problems)
			}
		})
	}
}

func TestLoad_TakesTheAddressesThatTheClientsTake(t *testing.T) {
	t.Parallel()
	for _, pairs := range [][]string{
		{"NATS_URL", "localhost"},
		{"NATS_URL", "127.0.0.1:4222"},
		{"NATS_URL", "tls://me:p%40ss@one:4222, nats://two"},
		{"DATABASE_URL", "postgresql:///guichet?host=/run/postgresql"},
		{"DATABASE_URL", "postgres://me:p%40ss@host/d?options=-csearch_path%3Dtickets"},
		{"DATABASE_URL", "host=/run/postgresql dbname=guichet"},
	} {
		if _, problems := load("", pairs...); problems != nil {
			t.Errorf("%q: %q", pairs, problems)
		}
	}
}

func TestLoad_WantsAPointerToAStruct(t *testing.T) {
	t.Parallel()
	for _, into := range []any{nil, all{}, new(string)} {
		if err := Load(into, Source{}); err == nil {
			t.Errorf("%T was taken", into)
		}
	}
}

func TestUsage_ListsEverySettingWithItsDefaultAndMeaning(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := Usage(&out, &all{}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for _, want := range [][]string{
		{"SETTING", "DEFAULT", "MEANING"},
		{"ADDRESS", ":8080", "where", "to", "listen"},
		{"WAIT", "5s", "how", "long", "to", "wait"},
		{"COUNT", "-", "how", "many"},
		{"FAST", "-", "whether", "to", "hurry"},
		{"NAMES", "-", "whom", "to", "greet"},
		{"API_KEY", "*", "-", "opens", "the", "door"},
		{"PIN", "*", "-", "opens", "the", "safe"},
		strings.Fields("DATABASE_URL * - postgres://user:password@host:port/database; options=-csearch_path=… picks a schema"),
		strings.Fields("LOG_FORMAT json json, or console for people"),
		strings.Fields("* a secret: also read from the file that NAME_FILE names, or from the Docker secret /run/secrets/name in lower case."),
	} {
		if !slices.ContainsFunc(lines, func(line string) bool { return slices.Equal(strings.Fields(line), want) }) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
