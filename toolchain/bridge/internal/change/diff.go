package change

import (
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"tandem.local/toolchain/bridge/internal/shape"
)

// Kind is how a property changes.
type Kind int

// The kinds, as Pulumi's detailed diff has them.
const (
	Add Kind = iota
	Delete
	Update
)

// Detail is the change of one property.
type Detail struct {
	Kind    Kind
	Replace bool
}

// Details compares a prior state with a planned one and returns the changes by Pulumi property path. null, "", [] and
// {} are equal, as Terraform's older providers do not tell them apart. requiresReplace is the plan's; as in Terraform,
// a path in it counts only where something changes.
func Details(node *shape.Node, prior, planned cty.Value, requiresReplace []cty.Path) map[string]Detail {
	d := differ{details: map[string]Detail{}}
	for _, path := range requiresReplace {
		if text, ok := Path(node, path); ok {
			d.replaces = append(d.replaces, text)
		}
	}
	d.object(node, prior, planned, "")
	return d.details
}

type differ struct {
	details  map[string]Detail
	replaces []string
}

func (d *differ) report(path string, kind Kind) {
	replace := false
	for _, forced := range d.replaces {
		replace = replace || within(path, forced) || within(forced, path)
	}
	d.details[path] = Detail{kind, replace}
}

// within tells whether path is outer or lies inside it.
func within(path, outer string) bool {
	rest, inside := strings.CutPrefix(path, outer)
	return inside && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func (d *differ) object(node *shape.Node, prior, planned cty.Value, path string) {
	for _, field := range node.Fields {
		// The id is Pulumi's own matter, and older providers list it with every replacement.
		if field.Pulumi == "" || (path == "" && field.TF == "id") {
			continue
		}
		d.value(field.Node, attr(prior, field.TF, field.Node), attr(planned, field.TF, field.Node),
			shape.Join(path, field.Pulumi))
	}
}

func attr(object cty.Value, name string, node *shape.Node) cty.Value {
	if object.IsNull() {
		return cty.NullVal(node.Type)
	}
	if !object.IsKnown() {
		return cty.UnknownVal(node.Type)
	}
	return object.GetAttr(name)
}

func (d *differ) value(node *shape.Node, prior, planned cty.Value, path string) {
	before, after := empty(prior), empty(planned)
	switch {
	case before && after:
		return
	case before:
		d.report(path, Add)
		return
	case after:
		d.report(path, Delete)
		return
	case !planned.IsKnown() || !prior.IsKnown():
		d.report(path, Update)
		return
	case prior.RawEquals(planned):
		return
	}
	kind := node.Type
	switch {
	case kind.IsObjectType():
		d.object(node, prior, planned, path)
	case kind.IsMapType():
		d.mapping(node, prior, planned, path)
	case kind.IsListType():
		d.list(node, prior.AsValueSlice(), planned.AsValueSlice(), path)
	case kind.IsSetType():
		d.set(node, prior.AsValueSlice(), planned.AsValueSlice(), path)
	default:
		d.report(path, Update)
	}
}

func empty(v cty.Value) bool {
	if v.IsNull() {
		return true
	}
	if !v.IsKnown() {
		return false
	}
	switch kind := v.Type(); {
	case kind == cty.String:
		return v.AsString() == ""
	case kind.IsCollectionType():
		return v.LengthInt() == 0
	}
	return false
}

func (d *differ) mapping(node *shape.Node, prior, planned cty.Value, path string) {
	before, after := prior.AsValueMap(), planned.AsValueMap()
	for key, old := range before {
		fresh, kept := after[key]
		if !kept {
			d.report(shape.Join(path, key), Delete)
			continue
		}
		d.value(node.Elem, old, fresh, shape.Join(path, key))
	}
	for key := range after {
		if _, old := before[key]; !old {
			d.report(shape.Join(path, key), Add)
		}
	}
}

func (d *differ) list(node *shape.Node, prior, planned []cty.Value, path string) {
	for i := range max(len(prior), len(planned)) {
		at := fmt.Sprintf("%s[%d]", path, i)
		if node.One {
			at = path
		}
		switch {
		case i >= len(prior):
			d.report(at, Add)
		case i >= len(planned):
			d.report(at, Delete)
		default:
			d.value(node.Elem, prior[i], planned[i], at)
		}
	}
}

// set compares as sets do, then reports by the positions that Pulumi shows.
func (d *differ) set(node *shape.Node, prior, planned []cty.Value, path string) {
	if node.One && len(prior) == 1 && len(planned) == 1 {
		d.value(node.Elem, prior[0], planned[0], path)
		return
	}
	missing := func(from, in []cty.Value) (positions []int) {
		for i, element := range from {
			found := false
			for _, other := range in {
				found = found || element.RawEquals(other)
			}
			if !found {
				positions = append(positions, i)
			}
		}
		return positions
	}
	for _, i := range missing(prior, planned) {
		d.report(fmt.Sprintf("%s[%d]", path, i), Delete)
	}
	for _, i := range missing(planned, prior) {
		at := fmt.Sprintf("%s[%d]", path, i)
		if _, gone := d.details[at]; gone {
			d.report(at, Update)
		} else {
			d.report(at, Add)
		}
	}
}

// Path translates a Terraform path; false where it names nothing that Pulumi shows.
func Path(node *shape.Node, path cty.Path) (string, bool) {
	text := ""
	for _, step := range path {
		switch step := step.(type) {
		case cty.GetAttrStep:
			field := node.ByTF(step.Name)
			if field == nil || field.Pulumi == "" || (text == "" && field.TF == "id") {
				return "", false
			}
			text, node = shape.Join(text, field.Pulumi), field.Node
		case cty.IndexStep:
			if node.Elem == nil {
				return text, text != ""
			}
			if node.Type.IsSetType() && !node.One {
				return text, true // an element of a set has no position to name
			}
			if !node.One {
				text = index(text, step.Key)
			}
			node = node.Elem
		}
	}
	return text, text != ""
}

func index(path string, key cty.Value) string {
	if key.Type() == cty.String {
		return shape.Join(path, key.AsString())
	}
	position, _ := key.AsBigFloat().Int64()
	return fmt.Sprintf("%s[%d]", path, position)
}
