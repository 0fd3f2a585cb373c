package mail

// What tests look into.
type View = view

var (
	Mask      = mask
	Classify  = classify
	Line      = line
	Link      = link
	Dashboard = dashboard
	Typeset   = typography
	Date      = date
	Deadline  = deadline
)
