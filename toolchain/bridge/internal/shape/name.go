package shape

import (
	"strings"
	"unicode"
)

// camel turns Terraform's snake_case into Pulumi's camelCase.
func camel(name string) string {
	var out strings.Builder
	upper := false
	for _, r := range name {
		switch {
		case r == '_':
			upper = out.Len() > 0
		case upper:
			out.WriteRune(unicode.ToUpper(r))
			upper = false
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// plural is the English plural as Pulumi names lists; a word that looks plural already stays.
func plural(word string) string {
	switch {
	case word == "":
		return word
	case hasSuffix(word, "ss", "us", "x", "ch", "sh", "lias"):
		return word + "es"
	case strings.HasSuffix(word, "s"):
		return word
	case strings.HasSuffix(word, "y") && len(word) > 1 && !strings.ContainsRune("aeiou", rune(word[len(word)-2])):
		return word[:len(word)-1] + "ies"
	default:
		return word + "s"
	}
}

func hasSuffix(word string, suffixes ...string) bool {
	for _, suffix := range suffixes {
		if strings.HasSuffix(word, suffix) {
			return true
		}
	}
	return false
}
