package mail

import (
	"strings"
	"text/template/parse"
	"unicode"
)

// typeset gives the written parts of a template the typography of its language, so that templates are
// typed with an ordinary keyboard: curly apostrophes, and in French the spaces that never break before
// high punctuation and inside guillemets. What is filled in is left alone.
func typeset(l Language, n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			typeset(l, child)
		}
	case *parse.IfNode:
		typeset(l, n.List)
		typeset(l, n.ElseList)
	case *parse.WithNode:
		typeset(l, n.List)
		typeset(l, n.ElseList)
	case *parse.RangeNode:
		typeset(l, n.List)
		typeset(l, n.ElseList)
	case *parse.TextNode:
		n.Text = []byte(typography(l, string(n.Text)))
	}
}

func typography(l Language, text string) string {
	runes := []rune(text)
	at := func(i int) rune { // 0 beyond either end
		if i < 0 || i >= len(runes) {
			return 0
		}
		return runes[i]
	}
	var b strings.Builder
	for i, r := range runes {
		switch {
		case r == '\'' && apostrophe(at(i-1), at(i+1)):
			b.WriteRune('’')
		case r == ' ' && l == French && at(i-1) == '«', r == ' ' && l == French && at(i+1) == '»',
			r == ' ' && l == French && at(i+1) == ':' && endsWord(at(i+2)):
			b.WriteString(noBreak)
		case r == ' ' && l == French && strings.ContainsRune(";!?", at(i+1)) && endsWord(at(i+2)):
			b.WriteString(narrowNoBreak)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// apostrophe tells one from the quotation marks of an attribute: it joins letters, or a letter and what is filled in.
func apostrophe(before, after rune) bool {
	left, right := unicode.IsLetter(before), unicode.IsLetter(after) || after == '«' || after == '<'
	return left && (right || after == 0) || before == 0 && unicode.IsLetter(after)
}

func endsWord(r rune) bool { return r == 0 || unicode.IsSpace(r) || strings.ContainsRune("<)»…", r) }
