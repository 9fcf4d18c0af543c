// Package shape knows how a Terraform schema appears in Pulumi: names, plurals, lists of one that are flattened.
package shape

import (
	"github.com/zclconf/go-cty/cty"

	"tandem.local/toolchain/bridge/internal/tfschema"
)

// Override says how one attribute or block, named by its dotted Terraform path, departs from the rules.
type Override struct {
	Name string `json:"name,omitempty"` // its name in Pulumi
	One  bool   `json:"one,omitempty"`  // a list or set of at most one, flattened (the protocol tells it of blocks only)
}

// Node is a value's type on both sides.
type Node struct {
	Type   cty.Type
	Elem   *Node    // of a list, set or map
	Fields []*Field // of an object
	One    bool     // a list or set that is a single value in Pulumi
	Block  bool     // a nested block: absent means empty, not null
}

// Field is one property of an object.
type Field struct {
	TF          string
	Pulumi      string
	Node        *Node
	Required    bool
	Optional    bool
	Computed    bool
	Sensitive   bool
	Deprecated  bool
	Description string
}

// Input tells whether users may set the field.
func (f *Field) Input() bool { return f.Required || f.Optional }

// ByPulumi finds a field by its name in Pulumi, or returns nil.
func (n *Node) ByPulumi(name string) *Field {
	for _, field := range n.Fields {
		if field.Pulumi == name {
			return field
		}
	}
	return nil
}

// ByTF finds a field by its name in Terraform, or returns nil.
func (n *Node) ByTF(name string) *Field {
	for _, field := range n.Fields {
		if field.TF == name {
			return field
		}
	}
	return nil
}

// timeouts is the block by which Terraform's users set timeouts; Pulumi has customTimeouts for that.
const timeouts = "timeouts"

// Build shapes a block and everything in it.
func Build(block *tfschema.Block, overrides map[string]Override) *Node {
	b := builder{overrides}
	return b.block(block, "")
}

type builder struct{ overrides map[string]Override }

func (b builder) block(block *tfschema.Block, path string) *Node {
	node := &Node{Type: block.Type()}
	for _, attribute := range block.Attributes {
		var child *Node
		if attribute.Nested != nil {
			object := b.block(&tfschema.Block{Attributes: attribute.Nested.Attributes}, path+attribute.Name+".")
			child = b.wrap(attribute.Nested.Nesting, object, attribute.Type)
		} else {
			child = b.ofType(attribute.Type, path+attribute.Name+".")
		}
		node.Fields = append(node.Fields, b.field(path, &Field{
			TF: attribute.Name, Node: child, Required: attribute.Required, Optional: attribute.Optional,
			Computed: attribute.Computed, Sensitive: attribute.Sensitive, Deprecated: attribute.Deprecated,
			Description: attribute.Description,
		}))
	}
	for _, nested := range block.Blocks {
		child := b.wrap(nested.Nesting, b.block(nested.Block, path+nested.Name+"."), nested.Type())
		child.Block = true
		child.One = child.Elem != nil && !child.Type.IsMapType() && nested.MaxItems == 1
		node.Fields = append(node.Fields, b.field(path, &Field{
			TF: nested.Name, Node: child, Required: nested.MinItems > 0, Optional: nested.MinItems == 0,
		}))
	}
	return node
}

// field gives a field its name in Pulumi.
func (b builder) field(path string, field *Field) *Field {
	override := b.overrides[path+field.TF]
	field.Node.One = field.Node.One || override.One
	switch {
	case override.Name != "":
		field.Pulumi = override.Name
	case path == "" && field.TF == timeouts:
		field.Pulumi = ""
	case (field.Node.Type.IsListType() || field.Node.Type.IsSetType()) && !field.Node.One:
		field.Pulumi = camel(plural(field.TF))
	default:
		field.Pulumi = camel(field.TF)
	}
	return field
}

func (b builder) wrap(nesting tfschema.Nesting, object *Node, kind cty.Type) *Node {
	if nesting == tfschema.Single || nesting == tfschema.Group {
		return object
	}
	return &Node{Type: kind, Elem: object}
}

// ofType shapes a plain attribute; objects inside it are computed blocks in most schemas.
func (b builder) ofType(kind cty.Type, path string) *Node {
	node := &Node{Type: kind}
	switch {
	case kind.IsCollectionType():
		node.Elem = b.ofType(kind.ElementType(), path)
	case kind.IsObjectType():
		for name, field := range kind.AttributeTypes() {
			node.Fields = append(node.Fields, b.field(path, &Field{
				TF: name, Node: b.ofType(field, path+name+"."), Optional: true,
			}))
		}
	}
	return node
}
