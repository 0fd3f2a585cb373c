// Package doctor looks at everything that Guichet stands on, changes nothing, and says of each part whether it is
// as it should be, and what to do where it is not. No finding holds a secret.
package doctor

import (
	"fmt"
	"time"
)

// Level says how bad a finding is.
type Level string

// The levels. A warning is something that works, or may work, and could be better; a failure loses or delays events.
const (
	OK      Level = "ok"
	Warning Level = "warning"
	Failure Level = "failure"
)

// Finding is what was found out about one thing.
type Finding struct {
	Level  Level  `json:"level"`
	Check  string `json:"check"`
	Detail string `json:"detail"`
	Do     string `json:"do,omitempty"` // what to do about it
}

// findings are what was found so far.
type findings []Finding

func (f *findings) ok(check, detail string, args ...any) {
	*f = append(*f, Finding{OK, check, fmt.Sprintf(detail, args...), ""})
}

func (f *findings) warn(check, do, detail string, args ...any) {
	*f = append(*f, Finding{Warning, check, fmt.Sprintf(detail, args...), do})
}

func (f *findings) fail(check, do, detail string, args ...any) {
	*f = append(*f, Finding{Failure, check, fmt.Sprintf(detail, args...), do})
}

// clock tells how far this machine's clock is from another's.
func (f *findings) clock(check, whose string, ahead, warnAt, failAt time.Duration) {
	off := ahead.Abs().Round(100 * time.Millisecond)
	side := "ahead of"
	if ahead < 0 {
		side = "behind"
	}
	const do = "have chrony or systemd-timesyncd set the clocks of both machines"
	switch {
	case off >= failAt:
		f.fail(check, do, "this machine's clock is %s %s %s", off, side, whose)
	case off >= warnAt:
		f.warn(check, do, "this machine's clock is %s %s %s", off, side, whose)
	default:
		f.ok(check, "within %s of %s", warnAt, whose)
	}
}
