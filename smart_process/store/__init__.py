"""Tables of the domain and the questions asked of them."""
