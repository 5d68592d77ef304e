"""One file a task of the text: data, model and metric together."""
