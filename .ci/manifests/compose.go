package main

import (
	"context"
	"errors"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/sirupsen/logrus"
)

// loadCompose reads Compose files with the variables given and nothing of this process's environment. A variable
// that has neither a value nor a default is an error, as is all that the schema does not know.
func loadCompose(ctx context.Context, files, settings []string, envFile string, profiles []string) (*types.Project, error) {
	warned := &warnings{}
	logrus.AddHook(warned)
	options := []cli.ProjectOptionsFn{cli.WithEnv(settings), cli.WithResolvedPaths(true)}
	if envFile != "" {
		options = append(options, cli.WithEnvFiles(envFile), cli.WithDotEnv)
	}
	options = append(options, cli.WithDefaultProfiles(profiles...))
	o, err := cli.NewProjectOptions(files, options...)
	if err != nil {
		return nil, err
	}
	project, err := o.LoadProject(ctx)
	if err != nil {
		return nil, err
	}
	return project, errors.Join(warned.errors...)
}

// warnings takes what compose-go only warns of.
type warnings struct{ errors []error }

func (*warnings) Levels() []logrus.Level { return []logrus.Level{logrus.WarnLevel} }

func (w *warnings) Fire(entry *logrus.Entry) error {
	w.errors = append(w.errors, errors.New(entry.Message))
	return nil
}
