// Before anything is drawn: without scripts the controls stay away and every row is shown.
document.documentElement.classList.add("js");
