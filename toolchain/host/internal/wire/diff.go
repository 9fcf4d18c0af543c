package wire

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
)

// Change is how one property differs.
type Change int

// The ways a property can differ.
const (
	Added Change = iota
	Deleted
	Updated
)

// Diff returns the paths ("connection.port", "triggers[1]") at which news differs from olds. Secretness does not count;
// a value not known yet differs from everything.
func Diff(olds, news *structpb.Struct) map[string]Change {
	changes := map[string]Change{}
	diffFields("", olds.GetFields(), news.GetFields(), changes)
	return changes
}

func diffFields(prefix string, olds, news map[string]*structpb.Value, changes map[string]Change) {
	for name, old := range olds {
		diffValue(join(prefix, name), old, news[name], changes)
	}
	for name, item := range news {
		if _, both := olds[name]; !both {
			diffValue(join(prefix, name), nil, item, changes)
		}
	}
}

func diffValue(path string, old, item *structpb.Value, changes map[string]Change) {
	old, item = Reveal(old), Reveal(item)
	switch {
	case absent(old) && absent(item):
	case absent(old):
		changes[path] = Added
	case absent(item):
		changes[path] = Deleted
	case IsUnknown(item):
		changes[path] = Updated
	case old.GetStructValue() != nil && item.GetStructValue() != nil && signature(item) == "":
		diffFields(path, old.GetStructValue().Fields, item.GetStructValue().Fields, changes)
	case old.GetListValue() != nil && item.GetListValue() != nil:
		olds, news := old.GetListValue().Values, item.GetListValue().Values
		for i := range max(len(olds), len(news)) {
			diffValue(fmt.Sprintf("%s[%d]", path, i), at(olds, i), at(news, i), changes)
		}
	case signature(item) != "" && signature(item) == signature(old):
		if AsSource(old) != AsSource(item) {
			changes[path] = Updated
		}
	case !proto.Equal(old, item):
		changes[path] = Updated
	}
}

func absent(v *structpb.Value) bool {
	_, null := v.GetKind().(*structpb.Value_NullValue)
	return v == nil || null
}

func at(values []*structpb.Value, i int) *structpb.Value {
	if i < len(values) {
		return values[i]
	}
	return nil
}

// join extends a path; a name with a dot, bracket or quote in it is quoted, as Pulumi's property paths want it.
func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	if strings.ContainsAny(name, ".[]\"") {
		return fmt.Sprintf("%s[%q]", prefix, name)
	}
	return prefix + "." + name
}

// Top returns the top-level property of a path.
func Top(path string) string {
	if end := strings.IndexAny(path, ".["); end >= 0 {
		return path[:end]
	}
	return path
}
