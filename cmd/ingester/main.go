// Command ingester receives Stripe's webhooks and stores them in JetStream.
package main

import (
	"os"

	"github.com/educareschool/guichet/ingest"
	"github.com/educareschool/guichet/pkg/processmetrics"
)

func main() {
	os.Exit(ingest.Program(processmetrics.NewRegistry()).Main(os.Args[1:], os.Stdout, os.Stderr))
}
