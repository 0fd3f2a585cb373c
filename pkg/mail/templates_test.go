package mail_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/educareschool/guichet/pkg/mail"
	"github.com/educareschool/guichet/pkg/registration"
)

// folder makes a folder of templates.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestAFolderReplacesTheTemplatesThatItHas(t *testing.T) {
	t.Parallel()
	r := renderer(t, folder(t, map[string]string{
		"fr/refund_confirmed.txt": "\ufeff{{define \"subject\"}}C'est remboursé !{{end}}\r\n{{.Name}} : {{.Amount}}\r\n",
		"LISEZMOI.md":             "notes",
		".git/fr/whatever.txt":    "{{",
	}))
	content := mail.Content{Kind: registration.MailRefundConfirmed, Name: "Zoé", Amount: mail.Money{Minor: 100, Currency: "eur"}}
	got := render(t, r, content)
	if got.Subject != "C’est remboursé\u202f!" || got.Text != "Zoé\u00a0: 1,00\u00a0€\n" {
		t.Errorf("subject %q, text %q", got.Subject, got.Text)
	}
	if !strings.Contains(got.HTML, "Votre remboursement est en route") {
		t.Error("the HTML, which the folder does not have, is not the built-in one")
	}
	content.Locale = "en"
	if got := render(t, r, content); got.Subject != "Your refund of €1.00 is on its way" {
		t.Errorf("the other language changed too: %q", got.Subject)
	}
}

func TestAWrongTemplateIsNamedByFileAndLine(t *testing.T) {
	t.Parallel()
	const subject = `{{define "subject"}}x{{end}}` + "\n"
	for name, c := range map[string]struct {
		file, text string
		want       []string
	}{
		"does not parse":            {"fr/payment_failed.txt", subject + "\n{{if .Name}}", []string{"fr/payment_failed.txt:3", "unexpected EOF"}},
		"has an unknown field":      {"fr/payment_failed.txt", subject + "a\n{{.Nmae}}", []string{"fr/payment_failed.txt:3", "Nmae"}},
		"has it behind a condition": {"fr/payment_failed.txt", subject + "{{if .RetryURL}}\n{{.Retry}}{{end}}", []string{"fr/payment_failed.txt:3", "Retry"}},
		"has it where all is known": {"en/payment_failed.txt", subject + "{{if not .RetryURL}}\n{{.Retry}}{{end}}", []string{"en/payment_failed.txt:3", "Retry"}},
		"has it in live mode":       {"en/attention.txt", subject + "{{if not .Test}}\n{{.Nope}}{{end}}", []string{"en/attention.txt:3", "Nope"}},
		"has it without a place":    {"fr/payment_failed.txt", subject + "{{if .WithoutSeat}}\n{{.Nope}}{{end}}", []string{"fr/payment_failed.txt:3", "Nope"}},
		"has an unknown function":   {"fr/payment_failed.txt", subject + "{{upper .Name}}", []string{"fr/payment_failed.txt:2", "upper"}},
		"has no subject":            {"fr/payment_failed.txt", "a", []string{"fr/payment_failed.txt", "subject", "missing"}},
		"has an empty subject":      {"fr/payment_failed.txt", `{{define "subject"}} {{end}}`, []string{"fr/payment_failed.txt", "subject is empty"}},
		"HTML has an unknown field": {"fr/attention.html", `{{define "title"}}x{{end}}` + "\n" + `{{define "content"}}{{.Falg}}{{end}}`, []string{"fr/attention.html:2", "Falg"}},
		"HTML has no content":       {"fr/attention.html", `{{define "title"}}x{{end}}`, []string{"fr/attention.html", "content", "missing"}},
		"HTML leaves a tag open":    {"fr/attention.html", `{{define "title"}}x{{end}}` + "\n" + `{{define "content"}}<a href="{{.Dashboard}}>{{end}}`, []string{"attention.html"}},
		"words lack a flag":         {"en/words.txt", `{{define "decline.other"}}x{{end}}`, []string{"en/words.txt", "flag.double_payment.todo", "missing"}},
		"layout lacks the button":   {"layout.html", `{{template "content" .}}`, []string{"layout.html", "button", "missing"}},
		"name is misspelt":          {"fr/payment_fialed.txt", "x", []string{"fr/payment_fialed.txt", "none of Guichet's templates"}},
		"language is not there":     {"de/payment_failed.txt", "x", []string{"de/payment_failed.txt", "none of Guichet's templates"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t, map[string]string{c.file: c.text})
			_, err := mail.NewRenderer(dir, mail.Brand{})
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range append(c.want, dir) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q:\n%v", want, err)
				}
			}
		})
	}
}

func TestEveryWrongTemplateIsNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := mail.NewRenderer(folder(t, map[string]string{
		"fr/payment_failed.txt":   `{{define "subject"}}x{{end}}{{.A}}`,
		"en/refund_confirmed.txt": `{{define "subject"}}x{{end}}{{.B}}`,
	}), mail.Brand{})
	if err == nil || !strings.Contains(err.Error(), "field A") || !strings.Contains(err.Error(), "field B") {
		t.Errorf("got %v", err)
	}
}

func TestAFolderThatIsNotThereIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := mail.NewRenderer(filepath.Join(t.TempDir(), "nowhere"), mail.Brand{}); err == nil || !strings.Contains(err.Error(), "MAIL_TEMPLATES") {
		t.Errorf("got %v", err)
	}
}
