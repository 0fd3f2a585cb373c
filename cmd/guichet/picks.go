package main

import (
	"github.com/educareschool/guichet/pkg/archive"
)

// picks are the flags that pick stored events, for every command that does.
type picks struct {
	Since        moment   `group:"Which events:" help:"Stored at or after: an age such as 72h or 2d, a date, or a time." placeholder:"WHEN"`
	Until        moment   `group:"Which events:" help:"Stored before." placeholder:"WHEN"`
	Type         []string `group:"Which events:" help:"Type, such as charge.refunded or checkout.session.*; several with commas." placeholder:"TYPE"`
	Registration string   `group:"Which events:" help:"Registration that the event names." placeholder:"ID"`
	Session      string   `group:"Which events:" help:"Checkout session that the event names." placeholder:"cs_…"`
	Intent       string   `group:"Which events:" help:"Payment intent that the event names." placeholder:"pi_…"`
	Account      string   `group:"Which events:" help:"Connected account that the event is of." placeholder:"acct_…"`
	From         uint64   `group:"Which events:" help:"First sequence in the stream." placeholder:"N"`
	To           uint64   `group:"Which events:" help:"Last sequence in the stream." placeholder:"N"`
}

// filter is what the flags say, or why nothing can meet it.
func (p picks) filter() (archive.Filter, error) {
	f := archive.Filter{
		Since: p.Since.Time, Until: p.Until.Time, From: p.From, To: p.To, Types: p.Type, Account: p.Account,
	}
	for _, id := range []string{p.Registration, p.Session, p.Intent} {
		if id != "" {
			f.Mentions = append(f.Mentions, id)
		}
	}
	if err := f.Validate(); err != nil {
		return f, usageError{err}
	}
	return f, nil
}
