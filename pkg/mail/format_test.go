package mail_test

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"github.com/educareschool/guichet/pkg/mail"
)

func TestAmountsAreWrittenByCurrencyAndLanguage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name            string
		amount          mail.Money
		french, english string
	}{
		{"two decimals", mail.Money{2500, "eur"}, "25,00\u00a0€", "€25.00"},
		{"less than one", mail.Money{5, "EUR"}, "0,05\u00a0€", "€0.05"},
		{"nothing", mail.Money{0, "usd"}, "0,00\u00a0$US", "$0.00"},
		{"thousands", mail.Money{123456789, "gbp"}, "1\u202f234\u202f567,89\u00a0£GB", "£1,234,567.89"},
		{"back", mail.Money{-2500, "eur"}, "-25,00\u00a0€", "-€25.00"},
		{"zero decimals", mail.Money{5000, "jpy"}, "5\u202f000\u00a0JPY", "¥5,000"},
		{"zero decimals, West Africa", mail.Money{10000, "xof"}, "10\u202f000\u00a0F\u202fCFA", "XOF\u00a010,000"},
		{"three decimals", mail.Money{5120, "kwd"}, "5,120\u00a0KWD", "KWD\u00a05.120"},
		{"three decimals, less than one", mail.Money{20, "tnd"}, "0,020\u00a0TND", "TND\u00a00.020"},
		{"whole units sent as hundredths", mail.Money{500, "ugx"}, "5\u00a0UGX", "UGX\u00a05"},
		{"whole units that are not", mail.Money{550, "isk"}, "5,50\u00a0ISK", "ISK\u00a05.50"},
		{"without a symbol", mail.Money{2500, "chf"}, "25,00\u00a0CHF", "CHF\u00a025.00"},
		{"no currency", mail.Money{2500, ""}, "", ""},
		{"no such currency", mail.Money{2500, "<b>"}, "", ""},
		{"the smallest number", mail.Money{math.MinInt64, "jpy"}, "-9\u202f223\u202f372\u202f036\u202f854\u202f775\u202f808\u00a0JPY", "-¥9,223,372,036,854,775,808"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.amount.In(mail.French); got != c.french {
				t.Errorf("fr: %q, want %q", got, c.french)
			}
			if got := c.amount.In(mail.English); got != c.english {
				t.Errorf("en: %q, want %q", got, c.english)
			}
			if c.amount.Known() != (c.french != "") {
				t.Error("Known does not agree")
			}
		})
	}
}

func TestDatesAreWrittenAsEachLanguageDoes(t *testing.T) {
	t.Parallel()
	const nb = "\u00a0"
	for _, c := range []struct {
		name            string
		at              time.Time
		write           func(time.Time, mail.Language) string
		french, english string
	}{
		{"a day", time.Date(2026, 3, 14, 0, 0, 0, 0, paris(false)), mail.Date, "samedi 14" + nb + "mars 2026", "Saturday 14 March 2026"},
		{"the first, on the hour", time.Date(2026, 8, 1, 19, 0, 0, 0, paris(true)), mail.Date, "samedi 1er" + nb + "août 2026 à" + nb + "19" + nb + "h", "Saturday 1 August 2026 at" + nb + "7:00" + nb + "pm"},
		{"a morning", time.Date(2026, 12, 31, 9, 5, 0, 0, time.UTC), mail.Date, "jeudi 31" + nb + "décembre 2026 à" + nb + "9" + nb + "h" + nb + "05", "Thursday 31 December 2026 at" + nb + "9:05" + nb + "am"},
		{"a deadline", time.Date(2026, 4, 1, 0, 0, 0, 0, time.UTC), mail.Deadline, "mercredi 1er" + nb + "avril 2026 à" + nb + "0" + nb + "h" + nb + "(UTC)", "Wednesday 1 April 2026 at" + nb + "12:00" + nb + "am" + nb + "(UTC)"},
		{"a hold of 24 hours across a change of clocks", summerTime(t), mail.Deadline, "dimanche 29" + nb + "mars 2026 à" + nb + "19" + nb + "h" + nb + "(CEST)", "Sunday 29 March 2026 at" + nb + "7:00" + nb + "pm" + nb + "(CEST)"},
		{"none", time.Time{}, mail.Date, "", ""},
		{"no deadline", time.Time{}, mail.Deadline, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := c.write(c.at, mail.French); got != c.french {
				t.Errorf("fr: %q, want %q", got, c.french)
			}
			if got := c.write(c.at, mail.English); got != c.english {
				t.Errorf("en: %q, want %q", got, c.english)
			}
		})
	}
}

// summerTime is 24 hours after 18:00 of the last day of winter time in Paris.
func summerTime(t *testing.T) time.Time {
	t.Helper()
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return time.Date(2026, time.March, 28, 18, 0, 0, 0, paris).Add(24 * time.Hour)
}

func TestTemplatesTypedWithAnOrdinaryKeyboardAreTypeset(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		language   mail.Language
		typed, set string
	}{
		{mail.French, "Une question ? Oui !", "Une question\u202f? Oui\u202f!"},
		{mail.French, "Motif : « refusé » ;", "Motif\u00a0: «\u00a0refusé\u00a0»\u202f;"},
		{mail.French, "<strong>Motif :</strong>", "<strong>Motif\u00a0:</strong>"},
		{mail.French, " :", "\u00a0:"},
		{mail.French, "https://example.org/?a=1", "https://example.org/?a=1"},
		{mail.French, `style="color:red !important"`, `style="color:red !important"`},
		{mail.French, "font-family:'Segoe UI',Arial", "font-family:'Segoe UI',Arial"},
		{mail.French, "L'inscription n'a pas", "L’inscription n’a pas"},
		{mail.French, "l'", "l’"},
		{mail.French, "d'« eau »", "d’«\u00a0eau\u00a0»"},
		{mail.English, "Why? It's 'so' : odd", "Why? It’s 'so' : odd"},
	} {
		if got := mail.Typeset(c.language, c.typed); got != c.set {
			t.Errorf("%s: %q becomes %q, want %q", c.language, c.typed, got, c.set)
		}
	}
}

func TestALineIsOneBoundedLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"breaks":              {"a\r\nBcc: x\n\n\tb", "a Bcc: x b"},
		"ends":                {"  a  ", "a"},
		"Unicode's breaks":    {"a\u2028b\u2029c\u0085d", "a b c d"},
		"direction":           {"abc\u202egnp.exe\u2066", "abcgnp.exe"},
		"invisible":           {"a\u200bb\ufeffc\u00ad", "abc"},
		"joined emoji":        {"👩\u200d🎓", "👩\u200d🎓"},
		"not UTF-8":           {"a\xffb", "a\ufffdb"},
		"no-break space":      {"Soirée\u00a0!", "Soirée\u00a0!"},
		"NUL and escape":      {"a\x00b\x1b[31m", "a b [31m"},
		"longer than allowed": {strings.Repeat("é", 30), strings.Repeat("é", 20) + "…"},
	} {
		if got := mail.Line(c.text, 20); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		got := mail.Line(rapid.String().Draw(t, "text"), 20)
		if n := len([]rune(got)); n > 21 {
			t.Fatalf("%d characters", n)
		}
		if strings.ContainsFunc(got, unicode.IsControl) {
			t.Fatalf("control characters in %q", got)
		}
	})
}

func TestOnlyAbsoluteWebAddressesBecomeLinks(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://example.org/a?b=c&d=%20":                  "https://example.org/a?b=c&d=%20",
		"http://example.org":                               "",
		"javascript:alert(1)":                              "",
		"//example.org":                                    "",
		"/relative":                                        "",
		"https://":                                         "",
		"https://user:pass@example.org/":                   "",
		"https://example.org/\r\nBcc: x":                   "",
		"https://example.org/ a":                           "",
		`https://example.org/"><script>`:                   "",
		"https://example.org/" + strings.Repeat("a", 2000): "",
		"": "",
	} {
		if got := mail.Link(address, "https"); got != want {
			t.Errorf("%q becomes %q, want %q", address, got, want)
		}
	}
}

func TestTheDashboardOpensOnWhatMatters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		content mail.Content
		want    string
	}{
		"dispute":         {mail.Content{Dispute: "dp_1", Intent: "pi_1", Livemode: true}, "https://dashboard.stripe.com/disputes/dp_1"},
		"payment":         {mail.Content{Intent: "pi_1", Charge: "ch_1", Livemode: true}, "https://dashboard.stripe.com/payments/pi_1"},
		"charge, test":    {mail.Content{Charge: "ch_1"}, "https://dashboard.stripe.com/test/payments/ch_1"},
		"another account": {mail.Content{Intent: "pi_1", Account: "acct_1"}, "https://dashboard.stripe.com/acct_1/test/payments/pi_1"},
		"nothing":         {mail.Content{Session: "cs_1"}, ""},
		"no id":           {mail.Content{Intent: "../login?x="}, ""},
	} {
		if got := mail.Dashboard(c.content); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
