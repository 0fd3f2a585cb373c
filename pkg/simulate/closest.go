package simulate

import (
	"slices"
	"strings"
)

// Closest lists the types of the Catalog by their likeness to what was asked for.
func Closest(eventType string) []string {
	var types []string
	for _, k := range Catalog() {
		types = append(types, k.Type)
	}
	wanted := strings.ToLower(eventType)
	slices.SortStableFunc(types, func(a, b string) int { return unlikeness(wanted, a) - unlikeness(wanted, b) })
	return types
}

// unlikeness compares with the whole type, and with its last part, which people remember best; a type that
// has the last word asked for is nearer by that word.
func unlikeness(wanted, eventType string) int {
	last := lastPart(eventType)
	unlike := min(distance(wanted, eventType), distance(wanted, last)+1)
	if word := lastPart(wanted); strings.Contains(last, word) {
		unlike -= len(word)
	}
	return unlike
}

func lastPart(eventType string) string { return eventType[strings.LastIndexByte(eventType, '.')+1:] }

// distance is Levenshtein's: how many letters to add, drop or change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
