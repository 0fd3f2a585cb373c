// Package settings reads a program's settings from its environment.
//
// A settings struct names its variables with caarlos0/env tags and describes them with `help`. A field
// tagged `secret:"true"` may also be given as NAME_FILE, a path to a file that holds it, or as a Docker
// secret, the file /run/secrets/name; NAME itself wins over the Docker secret.
package settings

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"text/tabwriter"

	"github.com/caarlos0/env/v11"
)

// DockerSecrets is where Docker and Swarm mount secrets.
const DockerSecrets = "/run/secrets"

// Source is where settings are read from.
type Source struct {
	Env        map[string]string
	SecretsDir string
}

// Process is the source that a running program uses: its environment and Docker's secrets.
func Process() Source {
	return Source{Env: env.ToMap(os.Environ()), SecretsDir: DockerSecrets}
}

// Validator is a settings struct, or a part of one, that checks what no single field can; it returns every
// problem joined, each beginning with the variable that it is about.
type Validator interface{ Validate() error }

// Load fills into, a pointer to a settings struct, and validates it and its parts. The error names every
// setting that is wrong, each once, and never repeats the value of a secret.
func Load(into any, from Source) error {
	fields, err := describe(into)
	if err != nil {
		return err
	}
	r := report{named: map[string]bool{}}
	values := map[string]string{}
	for _, f := range fields {
		value, err := from.lookup(f)
		if err != nil {
			r.add(f.name, err)
		} else if value != "" {
			values[f.name] = value
		}
	}
	if err := parse(into, values); err != nil {
		for _, e := range unwrap(err) {
			name, problem := plain(e, fields)
			r.add(name, problem)
			delete(values, name)
		}
		_ = parse(into, values) // the wrong ones now have their defaults, so that validation says nothing more of them
	}
	for _, problem := range validate(reflect.ValueOf(into)) {
		if !r.named[subject(problem)] {
			r.add(problem.Error(), problem)
		}
	}
	return errors.Join(r.problems...)
}

func parse(into any, values map[string]string) error {
	return env.ParseWithOptions(into, env.Options{Environment: values})
}

// report collects problems by name: of several with one name the first is the cause of the others.
type report struct {
	problems []error
	named    map[string]bool
}

func (r *report) add(name string, problem error) {
	if !r.named[name] {
		r.named[name] = true
		r.problems = append(r.problems, problem)
	}
}

// subject is what a validation's problem is about: its first word.
func subject(problem error) string {
	text := problem.Error()
	if end := strings.IndexAny(text, " :"); end > 0 {
		return text[:end]
	}
	return text
}

// validate returns the problems of a struct's parts, then its own.
func validate(pointer reflect.Value) []error {
	var problems []error
	for i := range pointer.Elem().NumField() {
		if f := pointer.Elem().Field(i); f.Kind() == reflect.Struct && f.CanInterface() {
			problems = append(problems, validate(f.Addr())...)
		}
	}
	if v, ok := pointer.Interface().(Validator); ok {
		problems = append(problems, unwrap(v.Validate())...)
	}
	return problems
}

func (s Source) lookup(f field) (string, error) {
	value := s.Env[f.name]
	if !f.secret {
		return value, nil
	}
	file := s.Env[f.name+"_FILE"]
	switch {
	case value != "" && file != "":
		return "", fmt.Errorf("%s and %s_FILE are both set: keep one", f.name, f.name)
	case file != "":
		return readSecret(f.name+"_FILE", file)
	case value != "" || s.SecretsDir == "":
		return value, nil
	}
	mounted := filepath.Join(s.SecretsDir, strings.ToLower(f.name))
	if _, err := os.Stat(mounted); errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return readSecret("Docker secret", mounted)
}

func readSecret(what, path string) (string, error) {
	content, err := os.ReadFile(path) // #nosec G304 -- the operator names the file
	if err != nil {
		return "", fmt.Errorf("%s: cannot read it: %w", what, err)
	}
	value := strings.TrimSpace(string(content))
	if value == "" {
		return "", fmt.Errorf("%s: the file %s is empty", what, path)
	}
	return value, nil
}

// unwrap flattens errors that were joined, however deeply.
func unwrap(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, unwrap(e)...)
	}
	return all
}

// plain turns a library error, which speaks of Go fields and may quote a value, into one about a variable,
// which it names.
func plain(err error, fields []field) (name string, _ error) {
	var missing env.VarIsNotSetError
	var invalid env.ParseError
	isMissing, isInvalid := errors.As(err, &missing), errors.As(err, &invalid)
	for _, f := range fields {
		switch {
		case isMissing && f.name == missing.Key && f.secret:
			return f.name, fmt.Errorf("%s is not set (or %s_FILE, or the Docker secret %s)", f.name, f.name, strings.ToLower(f.name))
		case isMissing && f.name == missing.Key:
			return f.name, fmt.Errorf("%s is not set", f.name)
		case isInvalid && f.field == invalid.Name && f.secret:
			return f.name, fmt.Errorf("%s is not a valid %s", f.name, f.kind)
		case isInvalid && f.field == invalid.Name:
			return f.name, fmt.Errorf("%s is not a valid %s: %w", f.name, f.kind, invalid.Err)
		}
	}
	return "", err
}

type field struct {
	field, name, fallback, help, kind string
	secret                            bool
}

func describe(into any) ([]field, error) {
	v := reflect.TypeOf(into)
	if v == nil || v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("settings: %T is not a pointer to a struct", into)
	}
	return describeStruct(v.Elem()), nil
}

func describeStruct(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
		if name == "" {
			if f.Type.Kind() == reflect.Struct {
				out = append(out, describeStruct(f.Type)...)
			}
			continue
		}
		out = append(out, field{
			field: f.Name, name: name, fallback: f.Tag.Get("envDefault"), help: f.Tag.Get("help"),
			kind: kindName(f.Type), secret: f.Tag.Get("secret") == "true",
		})
	}
	return out
}

func kindName(t reflect.Type) string {
	switch {
	case t.String() == "time.Duration":
		return "duration (such as 90s, 15m, 24h)"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		return "whole number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	default:
		return "value"
	}
}

// Usage writes a table of the settings of a struct: variable, default and meaning.
func Usage(w io.Writer, of any) error {
	fields, err := describe(of)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "  SETTING\tDEFAULT\tMEANING")
	for _, f := range fields {
		name := f.name
		if f.secret {
			name += " *"
		}
		fallback := f.fallback
		if fallback == "" {
			fallback = "-"
		}
		_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\n", name, fallback, f.help)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, "\n  * a secret: also read from the file that NAME_FILE names, or from the Docker secret "+
		DockerSecrets+"/name in lower case.")
	return err
}
