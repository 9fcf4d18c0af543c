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

// Diff returns the paths ("environment.A", "triggers[1]") at which news differs from olds, by the rules of sdk/v3's
// PropertyMap.Diff: secretness counts, a secret is compared as a whole, a value not known yet differs from everything.
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
	switch {
	case absent(old) && absent(item):
	case IsSecret(item) && IsUnknown(Reveal(item)): // the rules' own gap
	case absent(old):
		changes[path] = Added
	case absent(item):
		changes[path] = Deleted
	case plainObject(old) && plainObject(item):
		diffFields(path, old.GetStructValue().Fields, item.GetStructValue().Fields, changes)
	case old.GetListValue() != nil && item.GetListValue() != nil:
		olds, news := old.GetListValue().Values, item.GetListValue().Values
		for i := range max(len(olds), len(news)) {
			diffValue(fmt.Sprintf("%s[%d]", path, i), at(olds, i), at(news, i), changes)
		}
	case !Equal(old, item):
		changes[path] = Updated
	}
}

// Equal tells whether two values are the same, secretness included; assets are their hashes.
func Equal(a, b *structpb.Value) bool {
	switch {
	case absent(a) || absent(b):
		return absent(a) && absent(b)
	case signature(a) != signature(b):
		return false
	case IsSecret(a):
		return Equal(a.GetStructValue().Fields["value"], b.GetStructValue().Fields["value"])
	case signature(a) != "":
		as, bs := AsSource(a), AsSource(b)
		return as == bs || as.Hash != "" && as.Hash == bs.Hash
	case a.GetStructValue() != nil && b.GetStructValue() != nil:
		changes := map[string]Change{}
		diffFields("", a.GetStructValue().Fields, b.GetStructValue().Fields, changes)
		return len(changes) == 0
	case a.GetListValue() != nil && b.GetListValue() != nil:
		as, bs := a.GetListValue().Values, b.GetListValue().Values
		for i := range as {
			if len(as) != len(bs) || !Equal(as[i], bs[i]) {
				return false
			}
		}
		return len(as) == len(bs)
	}
	return proto.Equal(a, b)
}

func plainObject(v *structpb.Value) bool { return v.GetStructValue() != nil && signature(v) == "" }

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
