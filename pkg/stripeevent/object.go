package stripeevent

import (
	"strings"
	"sync"
	"unsafe"

	"github.com/tidwall/gjson"
)

// object is a JSON object whose members were read in one pass: gjson's own Get reads from the start each time, and to
// the end for what is not there, which made half of what decoding costs.
type object struct{ members []member }

type member struct {
	key   string
	value gjson.Result
}

// parse reads a body where it stands: copying it took a quarter of what decoding costs. What is kept of it must be
// copied, as str and text do, or all of the body is kept with it.
func parse(body []byte) gjson.Result {
	return gjson.Parse(unsafe.String(unsafe.SliceData(body), len(body))) // #nosec G103 -- nobody writes while this package reads
}

// str returns a copy of a string field; empty where it is none.
func str(r gjson.Result) string { return strings.Clone(r.Str) }

// spare are objects that nobody reads any longer.
var spare = sync.Pool{New: func() any { return new(object) }}

// open reads an object's members; any other value has none. It is to be released.
func open(r gjson.Result) *object {
	o := spare.Get().(*object)
	if r.IsObject() {
		r.ForEach(func(key, value gjson.Result) bool {
			o.members = append(o.members, member{key.Str, value})
			return true
		})
	}
	return o
}

// usualMembers is more than any of Stripe's objects has; a list that had to grow beyond is not kept.
const usualMembers = 256

// release gives the object back; what was got from it stays as it is.
func (o *object) release() {
	if cap(o.members) > usualMembers {
		return
	}
	clear(o.members) // a body is not kept by them
	o.members = o.members[:0]
	spare.Put(o)
}

// Get returns what a path of keys leads to; of a key that comes twice the first counts.
func (o *object) Get(path string) gjson.Result {
	key, rest, deeper := strings.Cut(path, ".")
	for i := range o.members {
		if o.members[i].key != key {
			continue
		}
		if deeper {
			return o.members[i].value.Get(rest)
		}
		return o.members[i].value
	}
	return gjson.Result{}
}
