package mail

import "strings"

// Language is a language that mails are written in: the name of its folder of templates.
type Language string

// The languages.
const (
	French  Language = "fr"
	English Language = "en"
)

func languages() []Language { return []Language{French, English} }

// LanguageOf returns the language for a locale such as fr, en-GB or en_US.UTF-8; French for any other.
func LanguageOf(locale string) Language {
	language := strings.ToLower(strings.TrimSpace(locale))
	if i := strings.IndexAny(language, "-_.@"); i >= 0 {
		language = language[:i]
	}
	if language == string(English) {
		return English
	}
	return French
}
