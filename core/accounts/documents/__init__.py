"""Documents of an application: listed when it is made, confirmed by a reviewer."""
