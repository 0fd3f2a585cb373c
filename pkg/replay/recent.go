package replay

import "sync"

// recentSize is how many registrations are remembered twice over.
const recentSize = 50_000

// recent remembers which registrations were looked at of late: the events of one are near each other. It is safe for
// concurrent use, and its size is bounded.
type recent struct {
	mu         sync.Mutex
	young, old map[string]bool
}

// fresh returns the ids that are not remembered, and remembers them.
func (r *recent) fresh(ids []string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, id := range ids {
		if r.young[id] || r.old[id] {
			continue
		}
		if r.young == nil || len(r.young) >= recentSize {
			r.young, r.old = map[string]bool{}, r.young
		}
		r.young[id] = true
		out = append(out, id)
	}
	return out
}
