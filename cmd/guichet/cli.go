package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/educareschool/guichet/pkg/service"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/simulate"
)

// cli is the command line: a field a command, each in a file of its own. A command is a struct of its flags
// with Run(context.Context, globals, surroundings) error, and Help() string that shows an example.
type cli struct {
	globals

	Dev       devCommand       `cmd:"" help:"Run everything on this machine and play the guide's cases."`
	Status    statusCommand    `cmd:"" help:"Show what the stream and the database hold and wait for."`
	Trace     traceCommand     `cmd:"" help:"Tell what happened to a registration or a payment, why, and what is waited for."`
	Events    eventsCommand    `cmd:"" help:"List what the stream holds, and show an event whole."`
	Attention attentionCommand `cmd:"" help:"Show and acknowledge what waits for a person."`
	Backfill  backfillCommand  `cmd:"" help:"Bring in the events that Stripe could not deliver."`
	Money     moneyCommand     `cmd:"" help:"Show where money and places do not go together, and what mends it."`
	Mails     mailsCommand     `cmd:"" help:"Show the mails of the outbox, and have them tried again."`
	Dead      deadCommand      `cmd:"" help:"Show, redrive and drop what could not be settled."`
	Doctor    doctorCommand    `cmd:"" help:"Look at everything that Guichet stands on, and say what to do."`
	Erase     eraseCommand     `cmd:"" help:"Take a person out of all that is held about a registration."`
	Setup     setupCommand     `cmd:"" help:"Make streams, consumer and schema what the services need."`
	Replay    replayCommand    `cmd:"" help:"Run events of the stream through the worker's code again; shows first what would change."`
	Verify    verifyCommand    `cmd:"" help:"Prove that the database is what the stream says, and mend what differs."`
	Trigger   triggerCommand   `cmd:"" help:"Send one signed Stripe event, as 'stripe trigger' does."`
}

// globals are the flags of every command.
type globals struct {
	Output  string           `short:"o" enum:"table,json" default:"table" help:"How to print: table for people, json for programs." placeholder:"table|json"`
	Data    string           `type:"path" default:".guichet" help:"Folder of 'guichet dev', whose dev.env is used for what the environment does not set." placeholder:"DIR"`
	Version kong.VersionFlag `help:"Show the version."`
}

// surroundings are what a command sees of the process that it runs in.
type surroundings struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Interactive    bool // a person is at the terminal: may be asked, and is shown progress
	Settings       settings.Source
	Program        string // how the process was called
}

// usageError is a mistake in the arguments or settings: exit code 2, not 1.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run runs one command and returns the exit code. What the command found is on Stdout, what went wrong on Stderr.
func run(ctx context.Context, args []string, s surroundings) int {
	var line cli
	early := make(chan int, 1) // --help and --version end the program while the line is being parsed
	parser, err := kong.New(&line,
		kong.Name("guichet"),
		kong.Description("Settles paid registrations from Stripe events. Each command's help lists the settings that it reads from the environment."),
		kong.Vars{"version": "guichet " + service.Version(), "declines": strings.Join(simulate.DeclineNames(), ", ")},
		kong.Writers(s.Stdout, s.Stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Exit(func(code int) {
			select {
			case early <- code:
			default:
			}
		}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		return report(s, err, "")
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	select {
	case code := <-early:
		return code
	default:
	}
	if err != nil {
		return report(s, usageError{err}, helpFor(err))
	}
	return report(s, parsed.Run(line.globals), parsed.Selected().FullPath())
}

// report says what went wrong, if anything, and returns the exit code.
func report(s surroundings, err error, command string) int {
	var usage usageError
	if err == nil {
		return service.ExitOK
	}
	_, _ = fmt.Fprintln(s.Stderr, "guichet:", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	if !errors.As(err, &usage) {
		return service.ExitFailed
	}
	_, _ = fmt.Fprintf(s.Stderr, "Run \"%s --help\" for how it is used.\n", command)
	return service.ExitUsage
}

// helpFor names the command whose help helps with a mistake in the line.
func helpFor(err error) string {
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context.Selected() == nil {
		return "guichet"
	}
	command := parse.Context.Selected()
	return cmp.Or(command.DefaultCmd, command).FullPath()
}
