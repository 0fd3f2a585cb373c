package dev

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// EnvFile is the name of the file, in the data folder, that says where the running stack is.
const EnvFile = "dev.env"

// writeEnv writes the file whole or not at all; it holds a secret and a password, so only its owner may read it.
func (s *stack) writeEnv() error {
	s.at.EnvFile = filepath.Join(s.Dir, EnvFile)
	var b strings.Builder
	for _, v := range [][2]string{
		{"GUICHET_URL", s.at.URL},
		{"ADMIN_URL", s.at.AdminURL},
		{"NATS_URL", s.at.NATSURL},
		{"DATABASE_URL", s.at.DatabaseURL},
		{"STRIPE_WEBHOOK_SECRET", s.at.WebhookSecret},
	} {
		fmt.Fprintf(&b, "%s=%s\n", v[0], Quote(v[1]))
	}
	partial := s.at.EnvFile + ".new"
	if err := os.WriteFile(partial, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", EnvFile, err)
	}
	if err := os.Rename(partial, s.at.EnvFile); err != nil {
		return fmt.Errorf("write %s: %w", EnvFile, err)
	}
	s.stops = append(s.stops, s.removeEnv)
	return nil
}

func (s *stack) removeEnv() error {
	if err := os.Remove(s.at.EnvFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Quote makes a value safe for a shell, and leaves plain ones plain.
func Quote(value string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./:@%+,=", r)
	}
	if value != "" && strings.IndexFunc(value, func(r rune) bool { return !plain(r) }) < 0 {
		return value
	}
	return "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
}

// Unquote reads what Quote wrote, and what a person may write instead.
func Unquote(value string) string {
	if len(value) < 2 || value[0] != value[len(value)-1] || value[0] != '"' && value[0] != '\'' {
		return value
	}
	return strings.ReplaceAll(value[1:len(value)-1], `'\''`, "'")
}
