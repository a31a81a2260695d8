"""What an operator may choose: values and pure functions over them."""
