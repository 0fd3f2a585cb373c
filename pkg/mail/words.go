package mail

import (
	"strings"
	"text/template"
)

// wordings are what a language says for Stripe's codes and for the flags: the templates of its words.txt,
// which may speak of everything that a mail may. Of several errors it keeps the last.
type wordings struct {
	templates *template.Template
	about     view
	err       error
}

// of returns the words for a code; none where the language has none for it.
func (w *wordings) of(section, code string) string { return w.write(section + "." + code) }

// orOther returns one part of the words for a code, or of those for every other code.
func (w *wordings) orOther(section, code, part string) string {
	if words := w.write(section + "." + code + part); words != "" {
		return words
	}
	return w.write(section + ".other" + part)
}

func (w *wordings) write(name string) string {
	t := w.templates.Lookup(name)
	if t == nil {
		return ""
	}
	var out strings.Builder
	if err := t.Execute(&out, w.about); err != nil {
		w.err = err
	}
	return strings.TrimSpace(out.String())
}
