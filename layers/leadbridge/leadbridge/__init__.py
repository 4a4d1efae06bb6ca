"""leadbridge: carries leads from web forms to the partners that can serve them."""
