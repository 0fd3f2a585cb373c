package mail

import (
	"bytes"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"path"
	"strings"
	texttemplate "text/template"
)

// Brand is who the mails come from, as their readers see it.
type Brand struct {
	// Sender is the name under which mails are signed.
	Sender string
	// Replies says that an answer to a mail reaches somebody.
	Replies bool
}

// Rendered is a mail's subject, on one line, and its body twice over.
type Rendered struct {
	Language Language
	Subject  string
	Text     string
	HTML     string
}

// Renderer turns contents into mails by templates. It is safe for concurrent use.
type Renderer struct {
	brand   Brand
	bundles map[Language]bundle
}

// bundle is everything of one language.
type bundle struct {
	words *texttemplate.Template
	mails map[string]pair
}

// pair is one mail's templates, which know the language's common ones, and the files they come from.
type pair struct {
	text               *texttemplate.Template
	html               *htmltemplate.Template
	textFile, htmlFile string
}

// NewRenderer parses the embedded templates, with those of folder in their place where it has them, and
// renders every mail once with everything known and once with nothing. The error names each template that
// is wrong by file and line. An empty folder means none.
func NewRenderer(folder string, brand Brand) (*Renderer, error) {
	files, err := openLibrary(folder)
	if err != nil {
		return nil, err
	}
	if err := files.complete(); err != nil {
		return nil, err
	}
	r := &Renderer{brand: brand, bundles: map[Language]bundle{}}
	var problems []error
	for _, l := range languages() {
		b, err := files.bundle(l)
		problems = append(problems, err)
		r.bundles[l] = b
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return r, r.rehearse()
}

func (l library) bundle(language Language) (bundle, error) {
	b := bundle{mails: map[string]pair{}}
	words, err := l.text(language, wordsFile)
	if err != nil {
		return b, err
	}
	b.words = words
	var problems []error
	for _, name := range mailNames() {
		text, err := l.text(language, commonTextFile, name+".txt")
		if err != nil {
			problems = append(problems, err)
			continue
		}
		html, err := l.html(language, commonHTMLFile, name+".html")
		if err != nil {
			problems = append(problems, err)
			continue
		}
		p := pair{textFile: l[path.Join(string(language), name+".txt")].name, htmlFile: l[path.Join(string(language), name+".html")].name}
		p.text, p.html = text.Lookup(p.textFile), html.Lookup(l[layoutFile].name)
		b.mails[name] = p
	}
	return b, errors.Join(problems...)
}

// Render writes the mail that a content asks for, in its reader's language.
func (r *Renderer) Render(c Content) (Rendered, error) {
	language := LanguageOf(c.Locale)
	b := r.bundles[language]
	mail, ok := b.mails[c.mailName()]
	if !ok {
		return Rendered{}, fmt.Errorf("there is no mail of kind %q", line(string(c.Kind), longestID))
	}
	v := newView(c, language, r.brand)
	w := wordings{templates: b.words, about: v}
	if v.fill(c, &w); w.err != nil {
		return Rendered{}, w.err
	}
	var subject, text, html bytes.Buffer
	if err := mail.text.ExecuteTemplate(&subject, "subject", v); err != nil {
		return Rendered{}, err
	}
	if err := mail.text.Execute(&text, v); err != nil {
		return Rendered{}, err
	}
	if err := mail.html.Execute(&html, v); err != nil {
		return Rendered{}, inFile(mail.htmlFile, err)
	}
	return Rendered{
		Language: language,
		Subject:  line(subject.String(), longestSubject),
		Text:     paragraphs(text.String()),
		HTML:     strings.TrimSpace(html.String()) + "\n",
	}, nil
}

// inFile names the file of an error that html/template blames on the layout alone.
func inFile(file string, err error) error {
	if strings.Contains(err.Error(), file) {
		return err
	}
	return fmt.Errorf("template: %s: %w", file, err)
}

// paragraphs mends what conditions leave in a text: spaces at the ends of lines, runs of blank lines.
func paragraphs(text string) string {
	var out []string
	for l := range strings.Lines(text) {
		l = strings.TrimRight(l, " \t\n")
		if l == "" && (len(out) == 0 || out[len(out)-1] == "") {
			continue
		}
		out = append(out, l)
	}
	return strings.TrimSpace(strings.Join(out, "\n")) + "\n"
}
