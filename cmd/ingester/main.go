// Command ingester receives Stripe's webhooks and stores them in JetStream.
package main

import (
	"os"

	"github.com/educareschool/guichet/ingest"
)

func main() { os.Exit(ingest.Program().Main(os.Args[1:], os.Stdout, os.Stderr)) }
