package scenario

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// lines watches what a program prints for texts, each awaited once.
type lines struct {
	texts []string
	mu    sync.Mutex
	left  []byte
	seen  []chan seen
}

// seen is when a text was printed, and what followed it on its line.
type seen struct {
	at   time.Time
	rest string
}

func newLines(texts ...string) *lines {
	l := &lines{texts: texts}
	for range texts {
		l.seen = append(l.seen, make(chan seen, 1))
	}
	return l
}

// Write takes what the program prints.
func (l *lines) Write(p []byte) (int, error) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = append(l.left, p...)
	for {
		line, rest, whole := bytes.Cut(l.left, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		for i, text := range l.texts {
			if _, after, found := strings.Cut(string(line), text); found {
				select {
				case l.seen[i] <- seen{now, after}:
				default: // the first counts
				}
			}
		}
		l.left = rest
	}
}

// await returns when a text was printed, and what followed it.
func (l *lines) await(ctx context.Context, text int) (time.Time, string, error) {
	const patience = 5 * time.Minute
	select {
	case s := <-l.seen[text]:
		return s.at, s.rest, nil
	case <-ctx.Done():
		return time.Time{}, "", ctx.Err()
	case <-time.After(patience):
		return time.Time{}, "", fmt.Errorf("the program did not print %q", l.texts[text])
	}
}
