package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// stage is one FROM of a Dockerfile and what follows it.
type stage struct {
	Name, Base  string
	Run         []string
	Copy        []copied
	Labels      map[string]string
	User        string
	Entrypoint  []string
	Healthcheck []string // the command, without the leading CMD
}

type copied struct {
	From, To string
	Paths    []string
}

// loadDockerfile reads a Dockerfile as BuildKit does; what BuildKit's own checks warn of is an error.
func loadDockerfile(files []string) ([]stage, error) {
	if len(files) != 1 {
		return nil, errors.New("dockerfile takes one file")
	}
	content, err := os.ReadFile(files[0]) // #nosec G304 G703 -- the caller names the file
	if err != nil {
		return nil, err
	}
	tree, err := parser.Parse(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	var problems []error
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, _ []parser.Range) {
		problems = append(problems, fmt.Errorf("%s: %s", rule, message))
	}})
	for _, w := range tree.Warnings {
		problems = append(problems, errors.New(w.Short))
	}
	parsed, _, err := instructions.Parse(tree.AST, lint)
	if err != nil {
		return nil, err
	}
	var stages []stage
	for _, s := range parsed {
		stages = append(stages, describe(s))
	}
	return stages, errors.Join(problems...)
}

func describe(s instructions.Stage) stage {
	out := stage{Name: s.Name, Base: s.BaseName, Labels: map[string]string{}}
	for _, command := range s.Commands {
		switch c := command.(type) {
		case *instructions.RunCommand:
			out.Run = append(out.Run, c.CmdLine...)
		case *instructions.CopyCommand:
			out.Copy = append(out.Copy, copied{From: c.From, To: c.DestPath, Paths: c.SourcePaths})
		case *instructions.LabelCommand:
			for _, l := range c.Labels {
				out.Labels[l.Key] = l.Value
			}
		case *instructions.UserCommand:
			out.User = c.User
		case *instructions.EntrypointCommand:
			out.Entrypoint = c.CmdLine
		case *instructions.HealthCheckCommand:
			out.Healthcheck = c.Health.Test[1:]
		}
	}
	return out
}
