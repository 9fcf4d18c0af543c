package shape

import (
	"fmt"
	"strings"
)

// Join extends a Pulumi property path by a name or key.
func Join(path, name string) string {
	switch {
	case strings.ContainsAny(name, `.[]"`):
		return fmt.Sprintf("%s[%q]", path, name)
	case path == "":
		return name
	default:
		return path + "." + name
	}
}
