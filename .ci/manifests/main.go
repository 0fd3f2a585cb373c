// Command manifests reads deployment files as the programs that they are written for would, refuses what those
// would refuse or pass over, and prints what they come to as JSON:
//
//	manifests dockerfile FILE                                      as BuildKit
//	manifests compose [--env-file FILE] [--profile NAME]… FILE…    as Docker Compose (compose-go)
//	manifests stack [--set NAME=VALUE]… FILE…                      as docker stack deploy (docker/cli)
//	manifests kubernetes FOLDER                                    as kustomize, then each object by its own type
//
// It is a module of its own, so that the product depends on none of these.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "manifests:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	if len(args) == 0 {
		return errors.New("say dockerfile, compose, stack or kubernetes")
	}
	var settings, profiles list
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	envFile := flags.String("env-file", "", "file with variables")
	flags.Var(&settings, "set", "NAME=VALUE of a variable")
	flags.Var(&profiles, "profile", "a profile to turn on")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	var result any
	var err error
	switch args[0] {
	case "dockerfile":
		result, err = loadDockerfile(flags.Args())
	case "compose":
		result, err = loadCompose(ctx, flags.Args(), settings, *envFile, profiles)
	case "stack":
		result, err = loadStack(flags.Args(), settings)
	case "kubernetes":
		result, err = loadKubernetes(flags.Args())
	default:
		err = fmt.Errorf("%q is none of dockerfile, compose, stack and kubernetes", args[0])
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(result)
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string { return strings.Join(*l, " ") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}
