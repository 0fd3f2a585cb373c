package mail_test

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/mail"
	"github.com/educareschool/guichet/pkg/registration"
)

var update = flag.Bool("update", false, "write the golden files anew")

func renderer(t *testing.T, folder string) *mail.Renderer {
	t.Helper()
	r, err := mail.NewRenderer(folder, mail.Brand{Sender: "Educare School", Replies: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func render(t *testing.T, r *mail.Renderer, c mail.Content) mail.Rendered {
	t.Helper()
	got, err := r.Render(c)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// golden compares with a file of testdata, or writes it with -update.
func golden(t *testing.T, got string, path ...string) {
	t.Helper()
	file := filepath.Join(append([]string{"testdata"}, path...)...)
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file) // #nosec G304 -- a golden file
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it, then run with -update\n--- got\n%s\n--- want\n%s", file, got, want)
	}
}

func TestEveryMailIsAsInItsGoldenFile(t *testing.T) {
	t.Parallel()
	r := renderer(t, "")
	for _, locale := range []string{"fr", "en"} {
		for name, content := range samples(locale) {
			t.Run(locale+"/"+name, func(t *testing.T) {
				t.Parallel()
				got := render(t, r, content)
				golden(t, "Subject: "+got.Subject+"\n\n"+got.Text, "mails", locale, name+".txt")
				golden(t, got.HTML, "mails", locale, name+".html")
			})
		}
	}
}

func TestMailsOfWhichNothingIsKnownStillReadWell(t *testing.T) {
	t.Parallel()
	r := renderer(t, "")
	for _, locale := range []string{"fr", "en"} {
		var all strings.Builder
		for _, kind := range kinds() {
			got := render(t, r, mail.Content{Kind: kind, Locale: locale, RegistrationID: "reg-1"})
			all.WriteString("=== " + string(kind) + "\nSubject: " + got.Subject + "\n\n" + got.Text + "\n")
			for _, trace := range []string{"<no value>", "  ", "« »", "“”", " .", "()"} {
				if strings.Contains(got.Text, trace) || strings.Contains(got.Subject, trace) {
					t.Errorf("%s %s leaves %q:\n%s\n%s", locale, kind, trace, got.Subject, got.Text)
				}
			}
		}
		golden(t, all.String(), "mails", locale, "nothing_known.txt")
	}
}

func TestEveryFlagHasItsOwnWordsInEveryLanguage(t *testing.T) {
	t.Parallel()
	r := renderer(t, "")
	for _, locale := range []string{"fr", "en"} {
		seen := map[string]registration.Flag{}
		for _, f := range append(flags(), "one_that_is_not_known") {
			got := render(t, r, mail.Content{Kind: registration.MailAttention, Locale: locale, Flag: f})
			if before, twice := seen[got.Subject]; twice {
				t.Errorf("%s: %s and %s have the same subject %q", locale, f, before, got.Subject)
			}
			seen[got.Subject] = f
		}
	}
}

func TestTheReadersLocaleChoosesTheLanguage(t *testing.T) {
	t.Parallel()
	for locale, want := range map[string]mail.Language{
		"": mail.French, "fr": mail.French, "fr-FR": mail.French, "FR_ca": mail.French, "de": mail.French, "eng": mail.French,
		"en": mail.English, "en-GB": mail.English, "en_US": mail.English, " EN ": mail.English, "en_US.UTF-8": mail.English,
	} {
		if got := mail.LanguageOf(locale); got != want {
			t.Errorf("LanguageOf(%q) = %s, want %s", locale, got, want)
		}
	}
}

func TestAnUnknownKindIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := renderer(t, "").Render(mail.Content{Kind: "newsletter"}); err == nil {
		t.Error("rendered a kind that does not exist")
	}
}

func TestHTMLMailsNeedNothingFromOutsideAndFitAPhone(t *testing.T) {
	t.Parallel()
	r := renderer(t, "")
	for name, content := range samples("fr") {
		html := render(t, r, content).HTML
		for _, foreign := range []string{"<img", "<link", "<script", "src=", "url(", "@import", "<style"} {
			if strings.Contains(html, foreign) {
				t.Errorf("%s has %s", name, foreign)
			}
		}
		for _, needed := range []string{`<html lang="fr">`, `name="viewport"`, "max-width:560px", `charset="utf-8"`} {
			if !strings.Contains(html, needed) {
				t.Errorf("%s lacks %s", name, needed)
			}
		}
	}
}

func TestTheGuideForEditorsNamesEveryField(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("templates/LISEZMOI.md")
	if err != nil {
		t.Fatal(err)
	}
	fields := reflect.TypeOf(mail.View{})
	for i := range fields.NumField() {
		if name := "`." + fields.Field(i).Name + "`"; !strings.Contains(string(guide), name) {
			t.Errorf("templates/LISEZMOI.md does not speak of %s", name)
		}
	}
}
