package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/educareschool/guichet/cmd/guichet/internal/dev"
	"github.com/educareschool/guichet/pkg/settings"
)

// settingsWithDev returns the process's settings, with those of a running `guichet dev` for what it does
// not set, in any form.
func (g globals) settingsWithDev(process settings.Source) (settings.Source, error) {
	values, err := readDevEnv(filepath.Join(g.Data, dev.EnvFile))
	if err != nil {
		return settings.Source{}, usageError{err}
	}
	for name := range values {
		if process.Env[name] != "" || process.Env[name+"_FILE"] != "" {
			delete(values, name)
		}
	}
	for name, value := range process.Env {
		if value != "" {
			values[name] = value
		}
	}
	process.Env = values
	return process, nil
}

// readDevEnv reads lines of NAME=value, where values may be quoted; a file that is not there is empty.
func readDevEnv(path string) (map[string]string, error) {
	values := map[string]string{}
	content, err := os.ReadFile(path) // #nosec G304 -- the user names the folder
	if errors.Is(err, fs.ErrNotExist) {
		return values, nil
	}
	if err != nil {
		return nil, fmt.Errorf("settings of guichet dev: %w", err)
	}
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if !ok {
			return nil, fmt.Errorf("%s, line %d, is not NAME=value: start guichet dev again, or delete the file", path, number)
		}
		values[strings.TrimSpace(name)] = dev.Unquote(strings.TrimSpace(value))
	}
	return values, nil
}
