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

// Validator is a settings struct that checks what no single field can; it returns every problem joined.
type Validator interface{ Validate() error }

// Load fills into, a pointer to a settings struct. The error names every setting that is wrong, and
// never repeats the value of a secret.
func Load(into any, from Source) error {
	fields, err := describe(into)
	if err != nil {
		return err
	}
	var problems []error
	values := map[string]string{}
	secret := map[string]bool{}
	for _, f := range fields {
		value, err := from.lookup(f)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if value != "" {
			values[f.name] = value
		}
		secret[f.name] = f.secret
	}
	if err := env.ParseWithOptions(into, env.Options{Environment: values}); err != nil {
		for _, e := range unwrap(err) {
			problems = append(problems, plain(e, fields, secret))
		}
	}
	if v, ok := into.(Validator); ok {
		if err := v.Validate(); err != nil {
			problems = append(problems, unwrap(err)...)
		}
	}
	return errors.Join(problems...)
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

// unwrap flattens the two ways in which errors are joined here.
func unwrap(err error) []error {
	var many env.AggregateError
	if errors.As(err, &many) {
		return many.Errors
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// plain turns a library error, which speaks of Go fields and may quote a value, into one about a variable.
func plain(err error, fields []field, secret map[string]bool) error {
	var missing env.VarIsNotSetError
	if errors.As(err, &missing) {
		hint := ""
		if secret[missing.Key] {
			hint = fmt.Sprintf(" (or %s_FILE, or the Docker secret %s)", missing.Key, strings.ToLower(missing.Key))
		}
		return fmt.Errorf("%s is not set%s", missing.Key, hint)
	}
	var parse env.ParseError
	if errors.As(err, &parse) {
		for _, f := range fields {
			if f.field != parse.Name {
				continue
			}
			if f.secret {
				return fmt.Errorf("%s is not a valid %s", f.name, f.kind)
			}
			return fmt.Errorf("%s is not a valid %s: %w", f.name, f.kind, parse.Err)
		}
	}
	return err
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
