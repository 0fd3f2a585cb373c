package stripeevent

import (
	"strings"
	"testing"
)

func TestDepthIsCountedOutsideOfTexts(t *testing.T) {
	t.Parallel()
	nest := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	tests := []struct {
		name, body string
		deep       bool
	}{
		{"nothing", "", false},
		{"the deepest that is taken", nest(MaxDepth), false},
		{"one deeper", nest(MaxDepth + 1), true},
		{"objects and lists together", strings.Repeat(`{"a":[`, MaxDepth/2) + strings.Repeat("]}", MaxDepth/2), false},
		{"one more of them", strings.Repeat(`{"a":[`, MaxDepth/2) + "{}" + strings.Repeat("]}", MaxDepth/2), true},
		{"many beside each other", "[" + strings.Repeat("[],", 10*MaxDepth) + "[]]", false},
		{"brackets in a text", `["` + strings.Repeat("[", 10*MaxDepth) + `"]`, false},
		{"brackets after an escaped quotation mark", `["\"` + strings.Repeat("[", 10*MaxDepth) + `"]`, false},
		{"brackets after an escaped backslash", `["\\",` + nest(MaxDepth) + `]`, true},
		{"brackets that never close", strings.Repeat(`{"a":`, 10*MaxDepth), true},
		{"closing brackets first do not make room", strings.Repeat("]", 10) + nest(MaxDepth+1), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if TooDeep([]byte(tt.body)) != tt.deep {
				t.Errorf("too deep: %t, want %t", !tt.deep, tt.deep)
			}
		})
	}
}
