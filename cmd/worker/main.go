// The worker settles registrations from the stored Stripe events.
package main

import (
	"os"

	"github.com/educareschool/guichet/pkg/processmetrics"
	"github.com/educareschool/guichet/worker"
)

func main() {
	os.Exit(worker.Program(processmetrics.NewRegistry()).Main(os.Args[1:], os.Stdout, os.Stderr))
}
