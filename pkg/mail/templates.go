package mail

import (
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	texttemplate "text/template"

	"github.com/educareschool/guichet/pkg/registration"
)

//go:embed templates
var embedded embed.FS

// Files that every mail of a language, or of all languages, is made with.
const (
	layoutFile     = "layout.html"
	commonTextFile = "common.txt"
	commonHTMLFile = "common.html"
	wordsFile      = "words.txt"
)

const withoutSeat = "payment_confirmed_without_seat"

// mailNames are the mails: each is a .txt and a .html file in a language's folder.
func mailNames() []string {
	return []string{
		string(registration.MailPaymentConfirmed), withoutSeat, string(registration.MailPaymentFailed),
		string(registration.MailPaymentCanceled), string(registration.MailActionRequired),
		string(registration.MailSessionExpired), string(registration.MailRefundConfirmed),
		string(registration.MailDisputeOpened), string(registration.MailDisputeClosed),
		string(registration.MailAttention),
	}
}

// mailName is the mail that a content asks for.
func (c Content) mailName() string {
	if c.Kind == registration.MailPaymentConfirmed && c.WithoutSeat {
		return withoutSeat
	}
	return string(c.Kind)
}

// source is the text of one template file. Its name is what errors call it.
type source struct{ name, text string }

// library is every template file by its path: the embedded ones, each replaced by the folder's where that has one.
type library map[string]source

// openLibrary reads the embedded templates and those of a folder; an empty folder name means none.
func openLibrary(folder string) (library, error) {
	built, err := fs.Sub(embedded, "templates")
	if err != nil {
		return nil, err
	}
	files := library{}
	if err := files.add(built, ""); err != nil || folder == "" {
		return files, err
	}
	if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("MAIL_TEMPLATES: %s is not a folder that can be read", folder)
	}
	known := files.paths()
	own := os.DirFS(folder)
	for _, p := range known { // by name and not by walking: in a mounted ConfigMap folders are links
		if err := files.read(own, p, filepath.Join(folder, p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("MAIL_TEMPLATES: %w", err)
		}
	}
	return files, strangers(own, folder, known)
}

func (l library) add(from fs.FS, folder string) error {
	return fs.WalkDir(from, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isTemplate(p) {
			return err
		}
		return l.read(from, p, path.Join(folder, p))
	})
}

func (l library) read(from fs.FS, p, name string) error {
	content, err := fs.ReadFile(from, p)
	if err != nil {
		return err
	}
	const byteOrderMark = "\ufeff"
	text := strings.ReplaceAll(strings.TrimPrefix(string(content), byteOrderMark), "\r\n", "\n")
	l[p] = source{name: name, text: text}
	return nil
}

func (l library) paths() []string {
	paths := make([]string, 0, len(l))
	for p := range l {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// strangers names the templates of a folder that Guichet would never use: a misspelt name changes nothing.
func strangers(own fs.FS, folder string, known []string) error {
	var problems []error
	err := fs.WalkDir(own, ".", func(p string, d fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(path.Base(p), ".") && p != "."
		switch {
		case err != nil:
			return err
		case hidden && d.IsDir():
			return fs.SkipDir
		case !hidden && !d.IsDir() && isTemplate(p) && !slices.Contains(known, p):
			problems = append(problems, fmt.Errorf("MAIL_TEMPLATES: %s is none of Guichet's templates", filepath.Join(folder, p)))
		}
		return nil
	})
	return errors.Join(append(problems, err)...)
}

func isTemplate(p string) bool { return path.Ext(p) == ".txt" || path.Ext(p) == ".html" }

// text parses the files of one language together; the mail is the template named for the last of them.
func (l library) text(language Language, files ...string) (*texttemplate.Template, error) {
	set := texttemplate.New("")
	for _, f := range files {
		s := l[path.Join(string(language), f)]
		if _, err := set.New(s.name).Parse(s.text); err != nil {
			return nil, err
		}
	}
	for _, t := range set.Templates() {
		if t.Tree != nil {
			typeset(language, t.Root)
		}
	}
	return set, nil
}

// html parses the layout and the files of one language together; the mail is the template named for the layout.
func (l library) html(language Language, files ...string) (*htmltemplate.Template, error) {
	set := htmltemplate.New("").Funcs(htmltemplate.FuncMap{
		"row":    func(label, value string) row { return row{typography(language, label), value} },
		"button": func(label, url string) button { return button{typography(language, label), url} },
	})
	for _, f := range files {
		s := l[path.Join(string(language), f)]
		if _, err := set.New(s.name).Parse(s.text); err != nil {
			return nil, err
		}
	}
	for _, t := range set.Templates() {
		if t.Tree != nil {
			typeset(language, t.Tree.Root)
		}
	}
	layout := l[layoutFile]
	if _, err := set.New(layout.name).Parse(layout.text); err != nil {
		return nil, err
	}
	return set, nil
}

// row and button are what the layout's templates of those names take.
type (
	row    struct{ Label, Value string }
	button struct{ Label, URL string }
)
