package stripeevent

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

func TestAnObjectIsReadAsGjsonReadsIt(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range 2 * usualMembers {
		fmt.Fprintf(&many, `"k%d": %d, `, i, i)
	}
	for _, text := range []string{
		`{"a": "1", "a": "2", "b": {"c": ["x", {"d": null}], "c": 3}, "\u0061b": true, "": 5, "e": "\ud83d\ude00"}`,
		`{` + many.String() + `"a": {"b": 7}}`,
		`{}`, `[1, {"a": 2}]`, `"a"`, `null`,
	} {
		whole := gjson.Parse(text)
		for range 2 { // the second time from what the first gave back
			o := open(whole)
			for _, path := range []string{"a", "ab", "b.c", "b.c.0", "b.c.1.d", "b.x", "a.b", "e", "k300", "nothing", "nothing.at.all"} {
				want := whole.Get(path)
				if !whole.IsObject() {
					want = gjson.Result{}
				}
				if got := o.Get(path); got.Type != want.Type || got.Raw != want.Raw || got.Str != want.Str {
					t.Errorf("%s of %.40s: got %q, want %q", path, text, got.Raw, want.Raw)
				}
			}
			o.release()
		}
	}
}
