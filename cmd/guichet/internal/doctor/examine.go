package doctor

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/educareschool/guichet/ingest"
	"github.com/educareschool/guichet/pkg/settings"
	"github.com/educareschool/guichet/pkg/stream"
	"github.com/educareschool/guichet/worker"
)

// patience bounds each look at something that may not answer.
const patience = 10 * time.Second

// Options are where to look.
type Options struct {
	Settings settings.Source
	URL      string // where Stripe sends webhooks to; empty where that is not known
	Monitor  string // address of nats-server's monitoring, such as http://127.0.0.1:8222; empty leaves it out
	Log      *zap.Logger
	Now      func() time.Time
}

// doctor is one examination.
type doctor struct {
	Options
	findings
	ingest ingest.Settings
	worker worker.Settings
	stream stream.Config
}

// Examine looks at everything, and at what may keep it waiting at the same time.
func Examine(ctx context.Context, o Options) []Finding {
	d := doctor{Options: o}
	d.settings()
	d.secrets()
	looks := []func(*doctor, context.Context){(*doctor).database, (*doctor).nats, (*doctor).mails, (*doctor).stripe, (*doctor).endpoint}
	parts := make([]doctor, len(looks))
	var looking sync.WaitGroup
	for i, look := range looks {
		parts[i] = d
		parts[i].findings = nil
		looking.Go(func() { look(&parts[i], ctx) })
	}
	looking.Wait()
	for _, part := range parts {
		d.findings = append(d.findings, part.findings...)
	}
	return d.findings
}
